-- The life of credentials: until when they are good, whose turn it is to renew them, and what went wrong so far.
ALTER TABLE connections ADD COLUMN expires_at TEXT;
ALTER TABLE connections ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN failing_since TEXT;
-- One renewal at a time: who holds it, until when, and the number that fences those who held it before.
ALTER TABLE connections ADD COLUMN lease_owner TEXT;
ALTER TABLE connections ADD COLUMN lease_until TEXT;
ALTER TABLE connections ADD COLUMN lease_epoch INTEGER NOT NULL DEFAULT 0;
-- Set with the lease and taken back with its end: still set, the holder has gone and nobody knows how far it came.
ALTER TABLE connections ADD COLUMN intent_at TEXT;
-- Credentials of a renewal whose lease was lost: another candidate should the stored ones be refused.
ALTER TABLE connections ADD COLUMN orphan BLOB;
ALTER TABLE connections ADD COLUMN orphan_generation INTEGER;

CREATE INDEX connections_due ON connections (next_refresh_at) WHERE next_refresh_at IS NOT NULL;

CREATE TABLE connection_events (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT NOT NULL,
    connection TEXT NOT NULL,
    at         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    detail     TEXT
) STRICT;

CREATE INDEX connection_events_of ON connection_events (tenant, connection, number);

-- Credentials that wait to be given back to their provider.
CREATE TABLE revocations (
    id              TEXT NOT NULL PRIMARY KEY,
    tenant          TEXT NOT NULL,
    connection      TEXT NOT NULL,
    provider        TEXT NOT NULL,
    settings        TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    sealed          BLOB NOT NULL,
    attempts        INTEGER NOT NULL,
    next_attempt_at TEXT NOT NULL,
    last_error      TEXT,
    created_at      TEXT NOT NULL
) STRICT;

CREATE INDEX revocations_due ON revocations (next_attempt_at);

-- OAuth apps that tenants bring.
CREATE TABLE oauth_apps (
    tenant     TEXT NOT NULL,
    provider   TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (tenant, provider)
) STRICT;

-- Links on which customers connect their accounts. Tokens, cookies and states are kept as hashes only.
CREATE TABLE connect_sessions (
    id           TEXT NOT NULL PRIMARY KEY,
    tenant       TEXT NOT NULL,
    customer_id  TEXT NOT NULL,
    providers    TEXT NOT NULL,
    connection   TEXT,
    return_url   TEXT NOT NULL,
    browser      TEXT,
    completed_by TEXT,
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL
) STRICT;

-- Customers who are at the provider to give their consent; each row is used once.
CREATE TABLE connect_states (
    id         TEXT NOT NULL PRIMARY KEY,
    session    TEXT NOT NULL REFERENCES connect_sessions (id) ON DELETE CASCADE,
    provider   TEXT NOT NULL,
    settings   TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- Secrets of the deployment itself, sealed like those of connections.
CREATE TABLE secrets (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;
