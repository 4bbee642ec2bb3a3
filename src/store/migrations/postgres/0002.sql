-- What has to be remembered of requests, and which processes there are.

-- What a key may do besides the deployment's own limits, as JSON.
ALTER TABLE api_keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

-- The oldest schema whose releases can work on the one that a step makes.
ALTER TABLE schema_version ADD COLUMN compatible_from bigint;

-- Who did what. Rows are only added at the end of a tenant's log and deleted at its beginning; each hash covers the one
-- before it. The log without a tenant is the deployment's.
CREATE TABLE audit_log (
    tenant     text COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    at         timestamptz NOT NULL,
    since      timestamptz,
    actor      text COLLATE "C" NOT NULL,
    action     text COLLATE "C" NOT NULL,
    connection text COLLATE "C",
    subject    text,
    outcome    text NOT NULL,
    count      bigint NOT NULL,
    request_id text,
    peer       text,
    detail     text,
    hash       bytea NOT NULL,
    PRIMARY KEY (tenant, number)
);

CREATE INDEX audit_log_of ON audit_log (tenant, connection, number);
CREATE INDEX audit_log_by_age ON audit_log (tenant, at);

-- Where each log begins and ends.
CREATE TABLE audit_chains (
    tenant     text COLLATE "C" NOT NULL PRIMARY KEY,
    swept      bigint NOT NULL,
    swept_hash bytea NOT NULL,
    head       bigint NOT NULL,
    head_hash  bytea NOT NULL
);

-- Writes that callers have named by an Idempotency-Key, which is kept as a hash, and how they ended.
CREATE TABLE idempotency (
    tenant      text COLLATE "C" NOT NULL,
    connection  text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    -- The try that may write here, and the process that it is of.
    claim       text NOT NULL,
    owner       text NOT NULL,
    state       text NOT NULL,
    lease_until timestamptz,
    sealed      bytea,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, connection, id)
);

CREATE INDEX idempotency_by_end ON idempotency (expires_at);
CREATE INDEX idempotency_in_flight ON idempotency (owner) WHERE state = 'in_flight';

-- Servers that share this store, and with it the vendors' limits.
CREATE TABLE replicas (
    id        text NOT NULL PRIMARY KEY,
    last_seen timestamptz NOT NULL
);
