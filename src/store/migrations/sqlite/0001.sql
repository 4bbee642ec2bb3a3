CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,
    tenant       TEXT NOT NULL,
    mode         TEXT NOT NULL,
    hash         BLOB NOT NULL,
    scopes       TEXT NOT NULL,
    providers    TEXT NOT NULL,
    connections  TEXT NOT NULL,
    name         TEXT,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    revoked_at   TEXT,
    last_used_at TEXT
) STRICT;

CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at);

CREATE TABLE connections (
    id              TEXT NOT NULL PRIMARY KEY,
    tenant          TEXT NOT NULL,
    provider        TEXT NOT NULL,
    customer_id     TEXT NOT NULL,
    state           TEXT NOT NULL,
    state_reason    TEXT,
    paused          INTEGER NOT NULL,
    settings        TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    last_error      TEXT,
    last_used_at    TEXT,
    refreshed_at    TEXT,
    next_refresh_at TEXT,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    revision        INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    sealed          BLOB NOT NULL,
    UNIQUE (tenant, customer_id, provider)
) STRICT;

CREATE INDEX connections_by_tenant ON connections (tenant, id);
