-- +goose Up
CREATE TABLE pools (
    id              text        PRIMARY KEY CHECK (id LIKE 'np-%'),
    organization_id text        NOT NULL REFERENCES organizations (id),
    cluster_id      text        NOT NULL REFERENCES clusters (id),
    name            text        NOT NULL,
    size            text        NOT NULL, -- of its machines, as in the options
    count           int         NOT NULL CHECK (count >= 0),
    labels          jsonb       NOT NULL DEFAULT '{}',
    taints          jsonb       NOT NULL DEFAULT '[]',
    generation      bigint      NOT NULL DEFAULT 1,
    deleting        boolean     NOT NULL DEFAULT false,
    phase           text        NOT NULL DEFAULT 'provisioning',
    phase_since     timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    due_at          timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    lease_token     bigint      NOT NULL DEFAULT 0,
    wakes           bigint      NOT NULL DEFAULT 0,
    attempts        int         NOT NULL DEFAULT 0,
    last_error      text        NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX pools_name ON pools (cluster_id, name) WHERE phase <> 'deleted';
CREATE INDEX ON pools (due_at) WHERE phase <> 'deleted';
CREATE INDEX ON pools (organization_id, cluster_id, id);

CREATE TABLE nodes (
    id              text        PRIMARY KEY CHECK (id LIKE 'nd-%'),
    organization_id text        NOT NULL REFERENCES organizations (id),
    cluster_id      text        NOT NULL REFERENCES clusters (id),
    pool_id         text        NOT NULL REFERENCES pools (id),
    name            text        NOT NULL, -- of the Node object; a DNS label
    address         text        NOT NULL DEFAULT '', -- InternalIP, once the machine exists
    deleting        boolean     NOT NULL DEFAULT false,
    phase           text        NOT NULL DEFAULT 'provisioning',
    phase_since     timestamptz NOT NULL DEFAULT now(),
    joined_at       timestamptz, -- when the machine used its join token
    ready           boolean     NOT NULL DEFAULT false,
    message         text        NOT NULL DEFAULT '', -- why it is not ready, for people
    created_at      timestamptz NOT NULL DEFAULT now(),
    due_at          timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    lease_token     bigint      NOT NULL DEFAULT 0,
    wakes           bigint      NOT NULL DEFAULT 0,
    attempts        int         NOT NULL DEFAULT 0,
    last_error      text        NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX nodes_name ON nodes (cluster_id, name) WHERE phase <> 'deleted';
CREATE INDEX ON nodes (due_at) WHERE phase <> 'deleted';
CREATE INDEX ON nodes (organization_id, cluster_id, id);
CREATE INDEX ON nodes (pool_id) WHERE phase <> 'deleted';

-- One-time tokens with which a machine proves, once, which node it is.
CREATE TABLE join_tokens (
    hash            bytea       PRIMARY KEY, -- SHA-256 of the secret
    organization_id text        NOT NULL REFERENCES organizations (id),
    node_id         text        NOT NULL REFERENCES nodes (id),
    expires_at      timestamptz NOT NULL,
    used_at         timestamptz
);
CREATE INDEX ON join_tokens (node_id);

-- Keys of the platform itself, such as the authority of node identities; sealed
-- by the secret store under the key "platform".
CREATE TABLE platform_keys (
    name        text        PRIMARY KEY,
    certificate bytea       NOT NULL,
    sealed      bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['pools', 'nodes', 'join_tokens'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY worker ON %I TO marina_worker USING (true)', t);
    END LOOP;
END $$;
-- +goose StatementEnd
CREATE POLICY organization ON pools TO marina_app USING (organization_id = current_setting('app.organization', true));
CREATE POLICY organization ON nodes TO marina_app USING (organization_id = current_setting('app.organization', true));

GRANT SELECT, INSERT, UPDATE ON pools TO marina_app;
GRANT SELECT, UPDATE ON nodes TO marina_app;
GRANT SELECT, UPDATE ON pools TO marina_worker;
GRANT SELECT, INSERT, UPDATE ON nodes TO marina_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON join_tokens TO marina_worker;
GRANT SELECT, INSERT ON platform_keys TO marina_worker;

-- Whether another organization has nodes, or will. It looks across organizations,
-- which a row-level policy hides from marina_app, so it runs as its owner.
-- +goose StatementBegin
CREATE FUNCTION others_have_nodes(org text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('pools.organization')); -- until the caller's row is there
    RETURN EXISTS (
        SELECT FROM pools p WHERE p.organization_id <> org AND p.phase <> 'deleted'
        AND (p.count > 0 OR EXISTS (SELECT FROM nodes n WHERE n.pool_id = p.id AND n.phase <> 'deleted'))
    );
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION others_have_nodes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION others_have_nodes TO marina_app;
-- The owner is held by FORCE ROW LEVEL SECURITY unless it is a superuser.
CREATE POLICY owner ON pools FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner ON nodes FOR SELECT TO CURRENT_USER USING (true);

-- +goose Down
DROP FUNCTION others_have_nodes;
DROP TABLE platform_keys, join_tokens, nodes, pools;
