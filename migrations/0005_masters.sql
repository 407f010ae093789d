-- +goose Up
-- What seals each data key: the built-in keystore's master key, or Vault.
ALTER TABLE keystore_keys ADD COLUMN master text NOT NULL DEFAULT 'keystore';
ALTER TABLE keystore_keys ADD COLUMN wrapped_at timestamptz NOT NULL DEFAULT now();

-- What should seal them: one row, which is there once a server has started. Keys
-- under another master, and those wrapped before rewrap_before, are due.
CREATE TABLE keystore (
    one           boolean     PRIMARY KEY DEFAULT true CHECK (one),
    master        text        NOT NULL CHECK (master IN ('keystore', 'vault')),
    rewrap_before timestamptz NOT NULL DEFAULT '-infinity',
    vault         text        NOT NULL DEFAULT '' -- the last one that was named, for people
);
INSERT INTO keystore (master) SELECT 'keystore' WHERE EXISTS (SELECT FROM keystore_keys);

GRANT UPDATE ON keystore_keys TO marina_worker;
GRANT SELECT, INSERT, UPDATE ON keystore TO marina_worker;

-- +goose Down
DROP TABLE keystore;
ALTER TABLE keystore_keys DROP COLUMN wrapped_at;
ALTER TABLE keystore_keys DROP COLUMN master;
