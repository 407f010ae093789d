-- +goose Up
-- Who signs up says who they are, and chooses a password, once they have read the
-- mail: nothing that a stranger has chosen waits for them.
DELETE FROM signups;
ALTER TABLE signups DROP COLUMN password_hash, DROP COLUMN name, DROP COLUMN organization;

-- +goose Down
DELETE FROM signups;
ALTER TABLE signups ADD COLUMN password_hash text NOT NULL, ADD COLUMN name text NOT NULL, ADD COLUMN organization text NOT NULL;
