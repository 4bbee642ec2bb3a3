-- What has to be remembered of requests, and which processes there are.

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
