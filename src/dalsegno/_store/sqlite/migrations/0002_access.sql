-- compatible from: 1
-- Who may use a server, and what they changed.

CREATE TABLE user_account (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,       -- lower case
    role INTEGER NOT NULL,           -- model.roles.Role
    password_hash TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    last_login INTEGER
);

CREATE TABLE user_session (
    id BLOB NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE, -- SHA-256; the token itself is with the browser only
    user_id BLOB NOT NULL,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
CREATE INDEX user_session_by_user ON user_session (user_id);

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY,
    key_hash BLOB NOT NULL UNIQUE,   -- SHA-256
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    role INTEGER NOT NULL,
    user_id BLOB,                    -- NULL: made where no login is needed
    created INTEGER NOT NULL,
    expires INTEGER,                 -- NULL: never
    last_used INTEGER
);
CREATE INDEX api_key_by_user ON api_key (user_id);

CREATE TABLE login_attempt (
    subject TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last INTEGER NOT NULL
);

CREATE TABLE audit_entry (
    id BLOB NOT NULL PRIMARY KEY,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    credential_id BLOB,
    address TEXT,
    request_id TEXT,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    target TEXT,
    summary TEXT,
    status INTEGER                   -- NULL: not answered (yet)
);
CREATE INDEX audit_entry_by_actor ON audit_entry (actor, id);
CREATE INDEX audit_entry_by_target ON audit_entry (target, id) WHERE target IS NOT NULL;

-- down

DROP TABLE audit_entry;
DROP TABLE login_attempt;
DROP TABLE api_key;
DROP TABLE user_session;
DROP TABLE user_account;
