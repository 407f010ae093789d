package fleettest

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// Organization adds an organization.
func Organization(t testing.TB, db *pg.DB) tenant.OrganizationID {
	t.Helper()
	org := tenant.NewOrganizationID()
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'test')", org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return org
}

// Cluster adds a cluster of an organization.
func Cluster(t testing.TB, db *pg.DB, org tenant.OrganizationID) tenant.ClusterID {
	t.Helper()
	id := tenant.NewClusterID()
	err := db.AsTenant(t.Context(), org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO clusters (id, organization_id, name, version, pod_cidr, service_cidr, issuer, uid_slot)
			VALUES ($1, $2, $1, '1.37', '10.244.0.0/16', '10.96.0.0/12', 'https://test', free_uid_slot(100))`, id, org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}
