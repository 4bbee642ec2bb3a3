-- Overrides of mappings as JSON text: of a connection, or of all the tenant's connections where `connection` is empty.
CREATE TABLE mappings (
    tenant     TEXT NOT NULL,
    connection TEXT NOT NULL,
    text       TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (tenant, connection)
) STRICT;
