-- What has to be remembered of requests, and which processes there are.

-- Servers that share this store, and with it the vendors' limits.
CREATE TABLE replicas (
    id        text NOT NULL PRIMARY KEY,
    last_seen timestamptz NOT NULL
);
