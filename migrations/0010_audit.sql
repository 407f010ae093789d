-- +goose Up
-- Who a row is about may be gone later: their address is kept as it was.
ALTER TABLE audit_log ADD COLUMN email text NOT NULL DEFAULT '';
CREATE INDEX ON audit_log (organization_id, email, id);
CREATE INDEX ON audit_log (organization_id, subject, id);

-- +goose Down
ALTER TABLE audit_log DROP COLUMN email;
