CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0014');
CREATE TABLE app_roles (
	app VARCHAR(255) NOT NULL, 
	person VARCHAR(32) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	PRIMARY KEY (app, person)
);
CREATE TABLE applied (
	part VARCHAR(255) NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (part)
);
CREATE TABLE apps (
	number INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	made_ns BIGINT NOT NULL, team VARCHAR(64) DEFAULT 'main' NOT NULL, title VARCHAR(200) DEFAULT '' NOT NULL, archived_ns BIGINT DEFAULT '0' NOT NULL, revision BIGINT DEFAULT '1' NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (name)
);
CREATE TABLE attempts (
	name VARCHAR(128) NOT NULL, 
	failures BIGINT NOT NULL, 
	until_ns BIGINT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE audit (
	number BIGINT NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	team VARCHAR(64) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	who VARCHAR(32) NOT NULL, 
	who_name VARCHAR(254) NOT NULL, 
	what VARCHAR(64) NOT NULL, 
	target VARCHAR(300) NOT NULL, 
	ip VARCHAR(64) NOT NULL, 
	detail BLOB NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (id)
);
CREATE TABLE audit_begin (
	number BIGINT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE blocks (
	number INTEGER NOT NULL, 
	block VARCHAR(64) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	value VARCHAR(512) NOT NULL, 
	reason VARCHAR(512) NOT NULL, 
	made_by VARCHAR(255) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, team VARCHAR(255) DEFAULT '' NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (block)
);
CREATE TABLE changes (
	topic VARCHAR(32) NOT NULL, 
	number BIGINT NOT NULL, 
	PRIMARY KEY (topic)
);
INSERT INTO "changes" VALUES('accounts',1);
INSERT INTO "changes" VALUES('erasures',1);
INSERT INTO "changes" VALUES('audit',1);
INSERT INTO "changes" VALUES('limits',1);
INSERT INTO "changes" VALUES('blocks',1);
INSERT INTO "changes" VALUES('masking',1);
INSERT INTO "changes" VALUES('sessions',1);
INSERT INTO "changes" VALUES('statistics',1);
INSERT INTO "changes" VALUES('devices',1);
INSERT INTO "changes" VALUES('remote',1);
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
CREATE TABLE limits (
	app VARCHAR(255) NOT NULL, 
	version BIGINT NOT NULL, 
	body BLOB NOT NULL, 
	changed_by VARCHAR(255) NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	PRIMARY KEY (app)
);
CREATE TABLE links (
	sha256 VARCHAR(64) NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	team VARCHAR(64) NOT NULL, 
	person VARCHAR(32) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	made_by VARCHAR(32) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	used_ns BIGINT NOT NULL, mail VARCHAR(16) DEFAULT '' NOT NULL, mail_error VARCHAR(255) DEFAULT '' NOT NULL, 
	PRIMARY KEY (sha256), 
	UNIQUE (id)
);
CREATE TABLE masking (
	app VARCHAR(255) NOT NULL, 
	body BLOB NOT NULL, version BIGINT DEFAULT '1' NOT NULL, 
	PRIMARY KEY (app)
);
CREATE TABLE memberships (
	team VARCHAR(64) NOT NULL, 
	person VARCHAR(32) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (team, person)
);
CREATE TABLE people (
	id VARCHAR(32) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	password VARCHAR(255) NOT NULL, 
	totp VARCHAR(64) NOT NULL, 
	totp_pending VARCHAR(64) NOT NULL, 
	totp_step BIGINT NOT NULL, 
	provider VARCHAR(255) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	disabled_ns BIGINT NOT NULL, 
	epoch BIGINT NOT NULL, 
	revision BIGINT NOT NULL, default_app VARCHAR(255) DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (email)
);
CREATE TABLE recovery_codes (
	person VARCHAR(32) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY (person, sha256)
);
CREATE TABLE refusals (
	number INTEGER NOT NULL, 
	writer VARCHAR(64) NOT NULL, 
	hour BIGINT NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	source VARCHAR(512) NOT NULL, 
	why VARCHAR(32) NOT NULL, 
	events BIGINT NOT NULL, 
	last_ns BIGINT NOT NULL, 
	PRIMARY KEY (number)
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
CREATE TABLE searches (
	id VARCHAR(64) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	version INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (app, name)
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
CREATE TABLE shares (
	share VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (share), 
	UNIQUE (sha256)
);
CREATE TABLE sign_ins (
	sha256 VARCHAR(64) NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	person VARCHAR(32) NOT NULL, 
	token_sha256 VARCHAR(64) NOT NULL, 
	name VARCHAR(254) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	agent VARCHAR(200) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	used_ns BIGINT NOT NULL, 
	epoch BIGINT NOT NULL, 
	PRIMARY KEY (sha256), 
	UNIQUE (id)
);
CREATE TABLE starts (
	person VARCHAR(64) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	search VARCHAR(4000) NOT NULL, 
	PRIMARY KEY (person, app)
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
CREATE TABLE steps (
	sha256 VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	person VARCHAR(32) NOT NULL, 
	body VARCHAR(2000) NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	tries BIGINT NOT NULL, 
	PRIMARY KEY (sha256)
);
CREATE TABLE teams (
	name VARCHAR(64) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE tokens (
	id VARCHAR(32) NOT NULL, 
	team VARCHAR(64) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	person VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	prefix VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	scopes VARCHAR(200) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	made_by VARCHAR(32) NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	used_day BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sha256)
);
CREATE TABLE told_ids (
	occurrence VARCHAR(64) NOT NULL, 
	issue VARCHAR(32) NOT NULL, 
	told_ns BIGINT NOT NULL, 
	PRIMARY KEY (occurrence)
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
CREATE TABLE write_keys (
	id VARCHAR(32) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	prefix VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	origins VARCHAR(2000) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	made_by VARCHAR(32) NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	revision BIGINT NOT NULL, used_day BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sha256)
);
CREATE INDEX erasures_by_app ON erasures (app, number);
CREATE INDEX erasures_by_state ON erasures (state, number);
CREATE INDEX samples_by_ring ON samples (kind, app, number, size);
CREATE INDEX people_by_subject ON people (provider, subject);
CREATE INDEX write_keys_by_app ON write_keys (app);
CREATE INDEX tokens_by_team ON tokens (team);
CREATE INDEX links_by_team ON links (team, kind);
CREATE INDEX sign_ins_by_use ON sign_ins (used_ns);
CREATE INDEX sign_ins_by_person ON sign_ins (person);
CREATE INDEX attempts_by_age ON attempts (changed_ns);
CREATE INDEX audit_by_team ON audit (team, number);
CREATE INDEX blocks_by_app ON blocks (app, number);
CREATE INDEX refusals_by_app ON refusals (app, hour);
CREATE INDEX refusals_by_writer ON refusals (writer, hour);
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
CREATE INDEX shares_by_app ON shares (app, made_ns);
CREATE INDEX shares_by_end ON shares (expires_ns);
CREATE INDEX told_ids_by_issue ON told_ids (issue, told_ns);
CREATE INDEX told_ids_by_time ON told_ids (told_ns);
