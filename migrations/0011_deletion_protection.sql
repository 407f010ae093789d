-- +goose Up
-- What a cluster's owner is kept from deleting by mistake.
ALTER TABLE clusters ADD COLUMN deletion_protection boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE clusters DROP COLUMN deletion_protection;
