-- +goose Up
-- A second factor at log-in: codes of a program that shares a secret with us (TOTP,
-- RFC 6238). Where enabled_at is null it was set up, and no code has proved yet that
-- the program has the secret: nobody is asked for one.
CREATE TABLE totp (
    user_id    text        PRIMARY KEY REFERENCES users (id),
    sealed     bytea       NOT NULL, -- the secret, under the data key "factors"
    last_step  bigint      NOT NULL DEFAULT 0, -- of the last code that was used: each is good once
    created_at timestamptz NOT NULL,
    enabled_at timestamptz
);

-- Codes for whoever has lost that program; each is good once.
CREATE TABLE recovery_codes (
    user_id text  NOT NULL REFERENCES users (id),
    hash    bytea NOT NULL, -- SHA-256 of the code, which holds 80 random bits
    PRIMARY KEY (user_id, hash)
);

-- When whoever has the session last proved that it is them. What changes how somebody
-- logs in asks for it.
ALTER TABLE sessions ADD COLUMN confirmed_at timestamptz;

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['totp', 'recovery_codes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY identity ON %I TO marina_identity USING (true)', t);
    END LOOP;
END $$;
-- +goose StatementEnd
GRANT SELECT, INSERT, UPDATE, DELETE ON totp TO marina_identity;
GRANT SELECT, INSERT, DELETE ON recovery_codes TO marina_identity;

-- +goose Down
ALTER TABLE sessions DROP COLUMN confirmed_at;
DROP TABLE recovery_codes, totp;
