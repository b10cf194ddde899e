-- compatible from: 1
-- Who may use a server, and what they changed.

CREATE TABLE user_account (
    id bytea PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE, -- lower case
    role integer NOT NULL, -- model.roles.Role
    password_hash text NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    last_login bigint
);

CREATE TABLE user_session (
    id bytea PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE, -- SHA-256; the token itself is with the browser only
    user_id bytea NOT NULL,
    created bigint NOT NULL,
    last_seen bigint NOT NULL,
    expires bigint NOT NULL
);
CREATE INDEX user_session_by_user ON user_session (user_id);

CREATE TABLE api_key (
    id bytea PRIMARY KEY,
    key_hash bytea NOT NULL UNIQUE, -- SHA-256
    name text NOT NULL,
    hint text NOT NULL,
    role integer NOT NULL,
    user_id bytea, -- NULL: made where no login is needed
    created bigint NOT NULL,
    expires bigint, -- NULL: never
    last_used bigint
);
CREATE INDEX api_key_by_user ON api_key (user_id);

CREATE TABLE login_attempt (
    subject text COLLATE "C" PRIMARY KEY,
    failures integer NOT NULL,
    last bigint NOT NULL
);

CREATE TABLE audit_entry (
    id bytea PRIMARY KEY,
    actor text COLLATE "C" NOT NULL,
    via text NOT NULL,
    credential_id bytea,
    address text,
    request_id text,
    method text NOT NULL,
    route text NOT NULL,
    target text COLLATE "C",
    summary text,
    status integer -- NULL: not answered (yet)
);
CREATE INDEX audit_entry_by_actor ON audit_entry (actor, id);
CREATE INDEX audit_entry_by_target ON audit_entry (target, id) WHERE target IS NOT NULL;

-- down

DROP TABLE audit_entry;
DROP TABLE login_attempt;
DROP TABLE api_key;
DROP TABLE user_session;
DROP TABLE user_account;
