-- +goose Up
-- Tokens that a cluster takes no more: of issuers that its owner named, and of service
-- accounts. Marina did not issue them and knows only their ids. Rows go a day after the
-- token's end, and with the cluster; the audit log remembers.
CREATE TABLE revoked_tokens (
    cluster_id      text        NOT NULL REFERENCES clusters (id),
    organization_id text        NOT NULL REFERENCES organizations (id),
    token_id        text        NOT NULL CHECK (length(token_id) BETWEEN 1 AND 256), -- its claim jti
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, token_id)
);
CREATE INDEX ON revoked_tokens (expires_at);

ALTER TABLE revoked_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE revoked_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON revoked_tokens TO marina_app USING (organization_id = current_setting('app.organization', true));
CREATE POLICY worker ON revoked_tokens TO marina_worker USING (true);

GRANT SELECT, INSERT, UPDATE ON revoked_tokens TO marina_app;
GRANT SELECT, DELETE ON revoked_tokens TO marina_worker;

-- +goose Down
DROP TABLE revoked_tokens;
