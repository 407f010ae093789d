-- +goose Up
-- Three roles, none of which can log in: a transaction takes one on (package pg).
-- marina_app serves one organization at a time and is held by row-level security;
-- marina_worker is the reconcilers, which serve all; marina_identity answers who
-- somebody is, before an organization is known. Roles belong to the whole server,
-- which several databases may share, hence the guards.
-- +goose StatementBegin
DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['marina_app', 'marina_worker', 'marina_identity'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another migration, of another database, was faster
        END;
        BEGIN
            -- From 16 on, who made a role is a member of it but may not take it on.
            IF NOT pg_has_role(current_user, role, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
                EXECUTE format('GRANT %I TO %I', role, current_user);
            END IF;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;
-- +goose StatementEnd

CREATE TABLE organizations (
    id         text        PRIMARY KEY CHECK (id LIKE 'org-%'),
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id              text        PRIMARY KEY CHECK (id LIKE 'usr-%'),
    organization_id text        NOT NULL REFERENCES organizations (id),
    email           text        NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash   text        NOT NULL, -- argon2id, PHC string format
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tokens (
    id              text        PRIMARY KEY CHECK (id LIKE 'tok-%'),
    organization_id text        NOT NULL REFERENCES organizations (id),
    user_id         text        NOT NULL REFERENCES users (id),
    name            text        NOT NULL,
    hash            bytea       NOT NULL UNIQUE, -- SHA-256 of the secret, which holds 160 random bits
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    last_used_at    timestamptz
);
CREATE INDEX ON tokens (organization_id, id);

-- What was answered to a request with an Idempotency-Key, for a day.
CREATE TABLE idempotency_keys (
    organization_id text        NOT NULL REFERENCES organizations (id),
    key             text        NOT NULL,
    request_hash    bytea       NOT NULL, -- SHA-256 of method, path and body
    status          int,                  -- null while the first request runs
    body            bytea,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX ON idempotency_keys (created_at);

-- Without an organization the setting is null on a fresh connection and empty on
-- one that had one before; neither is ever an id, so there are no rows.
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['users', 'tokens', 'idempotency_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organization ON %I TO marina_app USING (organization_id = current_setting(''app.organization'', true))', t);
        EXECUTE format('CREATE POLICY worker ON %I TO marina_worker USING (true)', t);
    END LOOP;
END $$;
-- +goose StatementEnd
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON organizations TO marina_app USING (id = current_setting('app.organization', true));
CREATE POLICY worker ON organizations TO marina_worker USING (true);
CREATE POLICY identity ON organizations TO marina_identity USING (true);
CREATE POLICY identity ON users TO marina_identity USING (true);
CREATE POLICY identity ON tokens TO marina_identity USING (true);

GRANT SELECT, UPDATE ON organizations TO marina_app;
GRANT SELECT ON users TO marina_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tokens, idempotency_keys TO marina_app;
GRANT SELECT, DELETE ON idempotency_keys, tokens TO marina_worker;
GRANT SELECT ON organizations, users TO marina_worker;
GRANT SELECT, INSERT ON organizations, users TO marina_identity;
GRANT SELECT, INSERT, UPDATE ON tokens TO marina_identity;

-- +goose Down
DROP TABLE idempotency_keys, tokens, users, organizations;
