-- +goose Up
-- A deleted cluster is kept until purge_at and can be brought back: its phase is
-- recoverable then. Its name is free meanwhile, its user ids are not.
ALTER TABLE clusters ADD COLUMN purge_at timestamptz;
DROP INDEX clusters_name;
CREATE UNIQUE INDEX clusters_name ON clusters (organization_id, name) WHERE phase <> 'deleted' AND NOT (phase = 'recoverable' AND deleting);

-- +goose Down
-- What could be brought back has no place in the older schema.
UPDATE clusters SET phase = 'deleting', deleting = true WHERE phase IN ('recoverable', 'restoring');
DROP INDEX clusters_name;
CREATE UNIQUE INDEX clusters_name ON clusters (organization_id, name) WHERE phase <> 'deleted';
ALTER TABLE clusters DROP COLUMN purge_at;
