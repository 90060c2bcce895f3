CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE app_roles (
	app VARCHAR(255) NOT NULL,
	person VARCHAR(32) NOT NULL,
	role VARCHAR(16) NOT NULL,
	PRIMARY KEY (app, person)
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
CREATE TABLE changes (
	topic VARCHAR(32) NOT NULL,
	number BIGINT NOT NULL,
	PRIMARY KEY (topic)
);
INSERT INTO "changes" VALUES('accounts',1);
INSERT INTO "changes" VALUES('erasures',1);
INSERT INTO "changes" VALUES('audit',1);
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
	used_ns BIGINT NOT NULL,
	PRIMARY KEY (sha256),
	UNIQUE (id)
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
	revision BIGINT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (email)
);
CREATE TABLE recovery_codes (
	person VARCHAR(32) NOT NULL,
	sha256 VARCHAR(64) NOT NULL,
	PRIMARY KEY (person, sha256)
);
CREATE TABLE samples (
	number INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	app VARCHAR(255) NOT NULL,
	size INTEGER NOT NULL,
	content BLOB NOT NULL,
	PRIMARY KEY (number)
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
	revision BIGINT NOT NULL,
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
