-- +goose Up
-- Who a person is at OpenID providers. Issuer and subject name them for ever.
CREATE TABLE identities (
    id           text        PRIMARY KEY CHECK (id LIKE 'link-%'),
    user_id      text        NOT NULL REFERENCES users (id),
    issuer       text        NOT NULL,
    subject      text        NOT NULL,
    email        text        NOT NULL, -- as the provider said it last
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    UNIQUE (issuer, subject)
);
CREATE INDEX ON identities (user_id, id);
ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;
CREATE POLICY identity ON identities TO marina_identity USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON identities TO marina_identity;

-- +goose Down
DROP TABLE identities;
