-- +goose Up
-- Keys of a person's devices (WebAuthn). Of each only the public half is here.
CREATE TABLE passkeys (
    id            text        PRIMARY KEY CHECK (id LIKE 'pk-%'),
    user_id       text        NOT NULL REFERENCES users (id),
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    credential_id bytea       NOT NULL UNIQUE, -- what the device calls it
    credential    jsonb       NOT NULL, -- public key, flags and model, as go-webauthn writes them
    sign_count    bigint      NOT NULL, -- of the last use; a device that counts never goes back
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz
);
CREATE INDEX ON passkeys (user_id, id);

-- What somebody was asked to prove, until they do: each is good once, and not for long.
CREATE TABLE challenges (
    hash       bytea       PRIMARY KEY, -- SHA-256 of something random
    purpose    text        NOT NULL,
    user_id    text        REFERENCES users (id), -- who asked; null for somebody who logs in
    detail     jsonb       NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ON challenges (expires_at);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['passkeys', 'challenges'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY identity ON %I TO marina_identity USING (true)', t);
    END LOOP;
END $$;
-- +goose StatementEnd
GRANT SELECT, INSERT, UPDATE, DELETE ON passkeys TO marina_identity;
GRANT SELECT, INSERT, DELETE ON challenges TO marina_identity;

-- +goose Down
DROP TABLE challenges, passkeys;
