CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
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
CREATE TABLE credentials (
	sha256 VARCHAR(64) NOT NULL,
	app VARCHAR(255) NOT NULL,
	scope VARCHAR(16) NOT NULL,
	made_ns BIGINT NOT NULL,
	PRIMARY KEY (sha256)
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
