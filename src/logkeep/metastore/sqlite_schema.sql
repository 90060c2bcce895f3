CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
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
CREATE TABLE searches (
	id VARCHAR(64) NOT NULL,
	app VARCHAR(255) NOT NULL,
	name VARCHAR(120) NOT NULL,
	version INTEGER NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (app, name)
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
CREATE INDEX sign_ins_by_use ON sign_ins (used_ns);
CREATE INDEX erasures_by_app ON erasures (app, number);
CREATE INDEX erasures_by_state ON erasures (state, number);
CREATE INDEX samples_by_ring ON samples (kind, app, number, size);
