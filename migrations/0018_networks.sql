-- +goose Up
-- From where people reach a cluster's API server; none: from everywhere. The router
-- finds them in the cluster's route file.
ALTER TABLE clusters ADD COLUMN authorized_networks cidr[] NOT NULL DEFAULT '{}' CHECK (cardinality(authorized_networks) <= 64);

-- +goose Down
ALTER TABLE clusters DROP COLUMN authorized_networks;
