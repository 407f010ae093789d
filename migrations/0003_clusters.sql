-- +goose Up
CREATE TABLE clusters (
    id                  text        PRIMARY KEY CHECK (id LIKE 'kc-%'),
    organization_id     text        NOT NULL REFERENCES organizations (id),
    name                text        NOT NULL,
    version             text        NOT NULL, -- wanted Kubernetes version, as in "1.37"
    pod_cidr            text        NOT NULL,
    service_cidr        text        NOT NULL,
    issuer              text        NOT NULL, -- of service-account tokens; never changes
    uid_slot            int         NOT NULL, -- package home: which user ids its processes have
    generation          bigint      NOT NULL DEFAULT 1, -- counts changes of what is wanted
    observed_generation bigint      NOT NULL DEFAULT 0 CHECK (observed_generation <= generation),
    phase               text        NOT NULL DEFAULT 'provisioning',
    phase_since         timestamptz NOT NULL DEFAULT now(),
    deleting            boolean     NOT NULL DEFAULT false,
    conditions          jsonb       NOT NULL DEFAULT '[]',
    created_at          timestamptz NOT NULL DEFAULT now(),
    due_at              timestamptz NOT NULL DEFAULT now(),
    lease_until         timestamptz,
    lease_token         bigint      NOT NULL DEFAULT 0,
    wakes               bigint      NOT NULL DEFAULT 0,
    attempts            int         NOT NULL DEFAULT 0,
    last_error          text        NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX clusters_name ON clusters (organization_id, name) WHERE phase <> 'deleted';
CREATE UNIQUE INDEX clusters_uid_slot ON clusters (uid_slot) WHERE phase <> 'deleted';
CREATE INDEX ON clusters (due_at) WHERE phase <> 'deleted';
CREATE INDEX ON clusters (organization_id, id);

-- The authorities and keys of a cluster. What is secret is sealed by the secret
-- store under the key named after the cluster; certificates are public.
CREATE TABLE cluster_keys (
    cluster_id      text        NOT NULL REFERENCES clusters (id),
    organization_id text        NOT NULL REFERENCES organizations (id),
    name            text        NOT NULL, -- such as "cluster-ca"
    certificate     bytea,                -- PEM of what is public: a certificate, or a bare pair's public key
    sealed          bytea       NOT NULL, -- the private key
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, name)
);

-- The built-in secret store: data keys, each sealed under the master key.
CREATE TABLE keystore_keys (
    name       text        NOT NULL,
    version    int         NOT NULL,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['clusters', 'cluster_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY worker ON %I TO marina_worker USING (true)', t);
    END LOOP;
END $$;
-- +goose StatementEnd
CREATE POLICY organization ON clusters TO marina_app USING (organization_id = current_setting('app.organization', true));

GRANT SELECT, INSERT, UPDATE ON clusters TO marina_app;
GRANT SELECT, UPDATE ON clusters TO marina_worker;
GRANT SELECT, INSERT, DELETE ON cluster_keys TO marina_worker;
GRANT SELECT, INSERT, DELETE ON keystore_keys TO marina_worker;

-- A slot of user ids that no living cluster has. It looks across organizations,
-- which a row-level policy hides from marina_app, so it runs as its owner.
-- +goose StatementBegin
CREATE FUNCTION free_uid_slot(slots int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('clusters.uid_slot')); -- until the caller's row is there
    RETURN (
        SELECT s FROM generate_series(0, slots - 1) AS s
        WHERE NOT EXISTS (SELECT FROM clusters WHERE uid_slot = s AND phase <> 'deleted')
        ORDER BY s LIMIT 1
    );
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION free_uid_slot FROM PUBLIC;
GRANT EXECUTE ON FUNCTION free_uid_slot TO marina_app;
-- The owner is held by FORCE ROW LEVEL SECURITY unless it is a superuser.
CREATE POLICY owner ON clusters FOR SELECT TO CURRENT_USER USING (true);

-- +goose Down
DROP FUNCTION free_uid_slot;
DROP TABLE keystore_keys, cluster_keys, clusters;
