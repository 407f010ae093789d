-- +goose Up
-- What happened last in an organization, for its overview.
CREATE INDEX ON outbox (organization_id, id) WHERE message <> '';

-- +goose Down
DROP INDEX outbox_organization_id_id_idx;
