-- What has to be remembered of requests, and which processes there are.

-- What a key may do besides the deployment's own limits, as JSON.
ALTER TABLE api_keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
