-- +goose Up
-- marina_operator is what whoever runs the installation sees of all organizations. It
-- reads, and changes nothing; secrets and password hashes are not for it.
-- +goose StatementBegin
DO $$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'marina_operator') THEN
            CREATE ROLE marina_operator NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- another migration, of another database, was faster
    END;
    BEGIN
        IF NOT pg_has_role(current_user, 'marina_operator', CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
            EXECUTE format('GRANT marina_operator TO %I', current_user);
        END IF;
    EXCEPTION WHEN unique_violation THEN
        NULL;
    END;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['organizations', 'memberships', 'users', 'clusters', 'pools', 'nodes'] LOOP
        EXECUTE format('CREATE POLICY operator ON %I FOR SELECT TO marina_operator USING (true)', t);
    END LOOP;
END $$;
-- +goose StatementEnd
GRANT SELECT (id, name, created_at, deleted_at) ON organizations TO marina_operator;
GRANT SELECT (id, email, name, created_at) ON users TO marina_operator;
GRANT SELECT ON memberships, clusters, pools, nodes TO marina_operator;

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['organizations', 'memberships', 'users', 'clusters', 'pools', 'nodes'] LOOP
        EXECUTE format('DROP POLICY operator ON %I', t);
    END LOOP;
END $$;
-- +goose StatementEnd
REVOKE SELECT (id, name, created_at, deleted_at) ON organizations FROM marina_operator;
REVOKE SELECT (id, email, name, created_at) ON users FROM marina_operator;
REVOKE SELECT ON memberships, clusters, pools, nodes FROM marina_operator;
