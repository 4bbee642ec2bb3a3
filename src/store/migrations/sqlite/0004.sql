-- What has to be remembered of requests, and which processes there are.

-- What a key may do besides the deployment's own limits, as JSON.
ALTER TABLE api_keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

-- The oldest schema whose releases can work on the one that a step makes.
ALTER TABLE schema_version ADD COLUMN compatible_from INTEGER;

-- Who did what. Rows are only added at the end of a tenant's log and deleted at its beginning; each hash covers the one
-- before it. The log without a tenant is the deployment's.
CREATE TABLE audit_log (
    tenant     TEXT NOT NULL,
    number     INTEGER NOT NULL,
    at         TEXT NOT NULL,
    since      TEXT,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    connection TEXT,
    subject    TEXT,
    outcome    TEXT NOT NULL,
    count      INTEGER NOT NULL,
    request_id TEXT,
    peer       TEXT,
    detail     TEXT,
    hash       BLOB NOT NULL,
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_of ON audit_log (tenant, connection, number);
CREATE INDEX audit_log_by_age ON audit_log (tenant, at);

-- Where each log begins and ends.
CREATE TABLE audit_chains (
    tenant     TEXT NOT NULL PRIMARY KEY,
    swept      INTEGER NOT NULL,
    swept_hash BLOB NOT NULL,
    head       INTEGER NOT NULL,
    head_hash  BLOB NOT NULL
) STRICT;

-- Writes that callers have named by an Idempotency-Key, which is kept as a hash, and how they ended.
CREATE TABLE idempotency (
    tenant      TEXT NOT NULL,
    connection  TEXT NOT NULL,
    id          TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    -- The try that may write here, and the process that it is of.
    claim       TEXT NOT NULL,
    owner       TEXT NOT NULL,
    state       TEXT NOT NULL,
    lease_until TEXT,
    sealed      BLOB,
    created_at  TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    PRIMARY KEY (tenant, connection, id)
) STRICT;

CREATE INDEX idempotency_by_end ON idempotency (expires_at);
CREATE INDEX idempotency_in_flight ON idempotency (owner) WHERE state = 'in_flight';

-- Servers that share this store, and with it the vendors' limits.
CREATE TABLE replicas (
    id        TEXT NOT NULL PRIMARY KEY,
    last_seen TEXT NOT NULL
) STRICT;

-- The last requests through each connection: JSON, without bodies and query values.
CREATE TABLE connection_requests (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT NOT NULL,
    connection TEXT NOT NULL,
    at         TEXT NOT NULL,
    request    TEXT NOT NULL
) STRICT;

CREATE INDEX connection_requests_of ON connection_requests (tenant, connection, number);
CREATE INDEX connection_requests_by_age ON connection_requests (at);
