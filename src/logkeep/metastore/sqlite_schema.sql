CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE applied (
	part VARCHAR(255) NOT NULL,
	until BIGINT NOT NULL,
	PRIMARY KEY (part)
);
CREATE TABLE apps (
	number INTEGER NOT NULL,
	name VARCHAR(255) NOT NULL,
	made_ns BIGINT NOT NULL,
	PRIMARY KEY (number),
	UNIQUE (name)
);
CREATE TABLE changes (
	topic VARCHAR(32) NOT NULL,
	number BIGINT NOT NULL,
	PRIMARY KEY (topic)
);
INSERT INTO "changes" VALUES('accounts',1);
INSERT INTO "changes" VALUES('erasures',1);
INSERT INTO "changes" VALUES('masking',1);
INSERT INTO "changes" VALUES('sessions',1);
INSERT INTO "changes" VALUES('statistics',1);
INSERT INTO "changes" VALUES('devices',1);
INSERT INTO "changes" VALUES('remote',1);
CREATE TABLE credentials (
	sha256 VARCHAR(64) NOT NULL,
	app VARCHAR(255) NOT NULL,
	scope VARCHAR(16) NOT NULL,
	made_ns BIGINT NOT NULL,
	PRIMARY KEY (sha256)
);
CREATE TABLE devices (
	id VARCHAR(32) NOT NULL,
	app VARCHAR(255) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	name_folded VARCHAR(512) NOT NULL,
	model_folded VARCHAR(512) NOT NULL,
	os_folded VARCHAR(512) NOT NULL,
	version_folded VARCHAR(512) NOT NULL,
	last_ns BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE erasures (
	number INTEGER NOT NULL,
	job VARCHAR(64) NOT NULL,
	app VARCHAR(255) NOT NULL,
	state VARCHAR(32) NOT NULL,
	expires_ns BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (number),
	UNIQUE (job)
);
CREATE TABLE issue_occurrences (
	number INTEGER NOT NULL,
	occurrence VARCHAR(64) NOT NULL,
	issue VARCHAR(32) NOT NULL,
	session_id VARCHAR(32) NOT NULL,
	device_id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	time_ns BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (number),
	UNIQUE (occurrence)
);
CREATE TABLE issue_tallies (
	issue VARCHAR(32) NOT NULL,
	kind VARCHAR(8) NOT NULL,
	id VARCHAR(32) NOT NULL,
	name BLOB NOT NULL,
	events BIGINT NOT NULL,
	last_ns BIGINT NOT NULL,
	PRIMARY KEY (issue, kind, id)
);
CREATE TABLE issues (
	issue VARCHAR(32) NOT NULL,
	app VARCHAR(255) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	status VARCHAR(16) NOT NULL,
	words VARCHAR(1024) NOT NULL,
	last_ns BIGINT NOT NULL,
	events BIGINT NOT NULL,
	users BIGINT NOT NULL,
	devices BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (issue)
);
CREATE TABLE masking (
	app VARCHAR(255) NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (app)
);
CREATE TABLE people (
	email VARCHAR(254) NOT NULL,
	app VARCHAR(255) NOT NULL,
	password VARCHAR(255) NOT NULL,
	made_ns BIGINT NOT NULL,
	PRIMARY KEY (email)
);
CREATE TABLE remote_matches (
	rule VARCHAR(64) NOT NULL,
	id VARCHAR(32) NOT NULL,
	device BLOB NOT NULL,
	PRIMARY KEY (rule, id)
);
CREATE TABLE remote_rules (
	rule VARCHAR(64) NOT NULL,
	app VARCHAR(255) NOT NULL,
	target_id VARCHAR(32) NOT NULL,
	until_ns BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (rule)
);
CREATE TABLE samples (
	number INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	app VARCHAR(255) NOT NULL,
	size INTEGER NOT NULL,
	content BLOB NOT NULL,
	PRIMARY KEY (number)
);
CREATE TABLE session_map (
	who VARCHAR(32) NOT NULL,
	sid VARCHAR(32) NOT NULL,
	session BLOB NOT NULL,
	from_ns BIGINT NOT NULL,
	last_ns BIGINT NOT NULL,
	PRIMARY KEY (who, sid)
);
CREATE TABLE sessions (
	sid VARCHAR(32) NOT NULL,
	app VARCHAR(255) NOT NULL,
	session BLOB NOT NULL,
	user_id BLOB NOT NULL,
	device BLOB NOT NULL,
	attributes BLOB NOT NULL,
	from_ns BIGINT NOT NULL,
	last_ns BIGINT NOT NULL,
	PRIMARY KEY (sid)
);
CREATE TABLE sign_ins (
	sha256 VARCHAR(64) NOT NULL,
	app VARCHAR(255) NOT NULL,
	scope VARCHAR(16) NOT NULL,
	name VARCHAR(255) NOT NULL,
	token_sha256 VARCHAR(64) NOT NULL,
	made_ns BIGINT NOT NULL,
	used_ns BIGINT NOT NULL,
	PRIMARY KEY (sha256)
);
CREATE TABLE statistics (
	cell VARCHAR(32) NOT NULL,
	app VARCHAR(255) NOT NULL,
	grain INTEGER NOT NULL,
	day INTEGER NOT NULL,
	component BLOB NOT NULL,
	event_key BLOB NOT NULL,
	events BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	errors BIGINT NOT NULL,
	rejects BIGINT NOT NULL,
	users BLOB NOT NULL,
	sessions BLOB NOT NULL,
	devices BLOB NOT NULL,
	PRIMARY KEY (cell)
);
CREATE TABLE waiting (
	number INTEGER NOT NULL,
	app VARCHAR(255) NOT NULL,
	device_who VARCHAR(32) NOT NULL,
	user_who VARCHAR(32) NOT NULL,
	until_ns BIGINT NOT NULL,
	size INTEGER NOT NULL,
	content BLOB NOT NULL,
	PRIMARY KEY (number)
);
CREATE INDEX sign_ins_by_use ON sign_ins (used_ns);
CREATE INDEX erasures_by_app ON erasures (app, number);
CREATE INDEX erasures_by_state ON erasures (state, number);
CREATE INDEX samples_by_ring ON samples (kind, app, number, size);
CREATE INDEX sessions_by_time ON sessions (last_ns);
CREATE INDEX session_map_by_sid ON session_map (sid);
CREATE INDEX session_map_by_time ON session_map (last_ns);
CREATE INDEX waiting_by_time ON waiting (until_ns);
CREATE INDEX statistics_by_day ON statistics (app, grain, day);
CREATE INDEX devices_by_time ON devices (app, last_ns, id);
CREATE INDEX devices_by_user ON devices (user_id);
CREATE INDEX remote_rules_by_app ON remote_rules (app, until_ns);
CREATE INDEX remote_rules_by_target ON remote_rules (target_id);
CREATE INDEX remote_matches_by_device ON remote_matches (id);
CREATE INDEX issues_by_last_ns ON issues (app, last_ns, issue);
CREATE INDEX issues_by_events ON issues (app, events, issue);
CREATE INDEX issues_by_users ON issues (app, users, issue);
CREATE INDEX issue_tallies_by_name ON issue_tallies (id, kind);
CREATE INDEX issue_tallies_by_time ON issue_tallies (issue, kind, last_ns);
CREATE INDEX issue_occurrences_by_issue ON issue_occurrences (issue, number);
CREATE INDEX issue_occurrences_by_session ON issue_occurrences (session_id);
CREATE INDEX issue_occurrences_by_device ON issue_occurrences (device_id);
CREATE INDEX issue_occurrences_by_user ON issue_occurrences (user_id);
