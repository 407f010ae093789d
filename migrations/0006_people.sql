-- +goose Up
-- A person has one e-mail address and is a member of any number of organizations.
-- users.organization_id is the one chosen last, where the next log-in begins.
ALTER TABLE users ADD COLUMN name text NOT NULL DEFAULT '' CHECK (length(name) <= 100);
-- Operators run the installation. The first account of one is theirs.
ALTER TABLE users ADD COLUMN operator boolean NOT NULL DEFAULT false;
UPDATE users SET operator = true WHERE email = 'admin@marina.local';

-- What happened in an organization that is gone stays in the audit log.
ALTER TABLE organizations ADD COLUMN deleted_at timestamptz;

CREATE TABLE memberships (
    organization_id text        NOT NULL REFERENCES organizations (id),
    user_id         text        NOT NULL REFERENCES users (id),
    role            text        NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX ON memberships (user_id);
INSERT INTO memberships (organization_id, user_id, role, created_at) SELECT organization_id, id, 'owner', created_at FROM users;

-- What a token may do of what its person's role may; null: all of it.
ALTER TABLE tokens ADD COLUMN scopes text[];

-- A browser or command line that is logged in. It acts in one organization at a
-- time: the one that it chose last.
CREATE TABLE sessions (
    id              text        PRIMARY KEY CHECK (id LIKE 'ses-%'),
    organization_id text        NOT NULL REFERENCES organizations (id),
    user_id         text        NOT NULL REFERENCES users (id),
    hash            bytea       NOT NULL UNIQUE, -- SHA-256 of the secret, which holds 160 random bits
    device          text        NOT NULL, -- what the client calls itself
    address         text        NOT NULL,
    created_at      timestamptz NOT NULL,
    last_used_at    timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);
CREATE INDEX ON sessions (user_id, id);

CREATE TABLE invitations (
    id              text        PRIMARY KEY CHECK (id LIKE 'inv-%'),
    organization_id text        NOT NULL REFERENCES organizations (id),
    email           text        NOT NULL CHECK (email = lower(email)),
    role            text        NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    hash            bytea       NOT NULL UNIQUE, -- SHA-256 of the secret in the mail
    invited_by      text        NOT NULL REFERENCES users (id),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    UNIQUE (organization_id, email)
);

-- Sign-ups whose address is not verified yet. An account begins with the sign-up
-- whose mail was read: a stranger who signed up with the same address has not
-- chosen its password.
CREATE TABLE signups (
    hash          bytea       PRIMARY KEY, -- SHA-256 of the secret in the mail
    email         text        NOT NULL CHECK (email = lower(email)),
    password_hash text        NOT NULL,
    name          text        NOT NULL,
    organization  text        NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX ON signups (email, created_at);

-- Whoever reads the mail may choose a new password, once.
CREATE TABLE password_resets (
    hash       bytea       PRIMARY KEY, -- SHA-256 of the secret in the mail
    user_id    text        NOT NULL REFERENCES users (id),
    expires_at timestamptz NOT NULL
);
CREATE INDEX ON password_resets (user_id);

-- Mails, written in the transaction that causes them and delivered by a worker.
-- The text holds secrets, so it is sealed under the data key "mails", and goes
-- when the mail was delivered.
CREATE TABLE mails (
    id              text        PRIMARY KEY CHECK (id LIKE 'mail-%'),
    organization_id text        REFERENCES organizations (id), -- that caused it; null for a person alone
    recipient       text        NOT NULL,
    subject         text        NOT NULL,
    sealed          bytea,
    state           text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    created_at      timestamptz NOT NULL,
    ended_at        timestamptz, -- sent or given up
    due_at          timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    lease_token     bigint      NOT NULL DEFAULT 0,
    wakes           bigint      NOT NULL DEFAULT 0,
    attempts        int         NOT NULL DEFAULT 0,
    last_error      text        NOT NULL DEFAULT ''
);
CREATE INDEX ON mails (due_at) WHERE state = 'waiting';
CREATE INDEX ON mails (created_at);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['memberships', 'sessions', 'invitations', 'signups', 'password_resets', 'mails'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY worker ON %I TO marina_worker USING (true)', t);
        EXECUTE format('CREATE POLICY identity ON %I TO marina_identity USING (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['memberships', 'sessions', 'invitations', 'mails'] LOOP
        EXECUTE format('CREATE POLICY organization ON %I TO marina_app USING (organization_id = current_setting(''app.organization'', true))', t);
    END LOOP;
END $$;
-- +goose StatementEnd

-- An organization sees its members, and nobody's password.
DROP POLICY organization ON users;
CREATE POLICY organization ON users TO marina_app USING (
    EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id AND m.organization_id = current_setting('app.organization', true)));
REVOKE SELECT ON users FROM marina_app;
GRANT SELECT (id, organization_id, email, name, created_at) ON users TO marina_app;

GRANT SELECT, UPDATE, DELETE ON memberships TO marina_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO marina_app;
GRANT INSERT ON mails TO marina_app;
GRANT SELECT, INSERT ON memberships TO marina_identity;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, signups, password_resets TO marina_identity;
GRANT SELECT, DELETE ON invitations TO marina_identity;
GRANT INSERT ON mails TO marina_identity;
GRANT UPDATE (organization_id, name, password_hash) ON users TO marina_identity;
GRANT SELECT ON memberships, users TO marina_worker;
GRANT SELECT, DELETE ON sessions, signups, password_resets, invitations TO marina_worker;
GRANT SELECT, UPDATE, DELETE ON mails TO marina_worker;

-- +goose Down
DROP TABLE mails, password_resets, signups, invitations, sessions;
DROP POLICY organization ON users;
CREATE POLICY organization ON users TO marina_app USING (organization_id = current_setting('app.organization', true));
GRANT SELECT ON users TO marina_app;
DROP TABLE memberships;
ALTER TABLE tokens DROP COLUMN scopes;
ALTER TABLE organizations DROP COLUMN deleted_at;
ALTER TABLE users DROP COLUMN operator, DROP COLUMN name;
