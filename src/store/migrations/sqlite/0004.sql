-- What has to be remembered of requests, and which processes there are.

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
