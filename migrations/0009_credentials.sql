-- +goose Up
-- The client certificates that were issued for a cluster's API. Each can be revoked:
-- the reconciler tells the cluster's API server. Rows go a day after the credential's
-- end, and with the cluster; the audit log remembers.
CREATE TABLE credentials (
    id                text        PRIMARY KEY CHECK (id LIKE 'cred-%'),
    organization_id   text        NOT NULL REFERENCES organizations (id),
    cluster_id        text        NOT NULL REFERENCES clusters (id),
    user_id           text        NOT NULL, -- whose it is
    issued_by         text        NOT NULL, -- usr-… or tok-…
    kind              text        NOT NULL CHECK (kind IN ('kubeconfig', 'exec', 'terminal')),
    kubernetes_user   text        NOT NULL,
    kubernetes_groups text[]      NOT NULL,
    kubernetes_id     text        NOT NULL, -- authentication.kubernetes.io/credential-id
    issued_at         timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    last_used_at      timestamptz, -- to the minute
    revoked_at        timestamptz,
    UNIQUE (cluster_id, kubernetes_id)
);
CREATE INDEX ON credentials (cluster_id, id);
CREATE INDEX ON credentials (expires_at);
CREATE INDEX ON credentials (organization_id, user_id);

ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON credentials TO marina_app USING (organization_id = current_setting('app.organization', true));
CREATE POLICY worker ON credentials TO marina_worker USING (true);

GRANT SELECT, INSERT, UPDATE ON credentials TO marina_app;
GRANT SELECT, UPDATE, DELETE ON credentials TO marina_worker;

-- +goose Down
DROP TABLE credentials;
