-- Until when an owner wants to see what is said through a connection, and what was said, sealed.
ALTER TABLE connections ADD COLUMN log_bodies_until timestamptz;
ALTER TABLE connection_requests ADD COLUMN bodies bytea;

CREATE INDEX connection_requests_with_bodies ON connection_requests (at) WHERE bodies IS NOT NULL;
