-- +goose Up
-- Whose tokens a cluster takes besides its own: package controlplane, Authentication.
ALTER TABLE clusters ADD COLUMN authentication jsonb NOT NULL DEFAULT '{"jwt": []}';

-- +goose Down
ALTER TABLE clusters DROP COLUMN authentication;
