package controlplanetest

import (
	"context"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// keys, kms and egress are the views of a World whose methods share names.
type (
	keys   struct{ *World }
	kms    struct{ *World }
	egress struct{ *World }
)

var (
	_ reconcile.Keys   = keys{}
	_ reconcile.KMS    = kms{}
	_ reconcile.Egress = egress{}
)

// Destroy implements reconcile.Keys.
func (k keys) Destroy(context.Context, tenant.ClusterID) error {
	return k.effect(func() { k.issued = false })
}

// Destroy implements reconcile.KMS.
func (k kms) Destroy(context.Context, tenant.ClusterID) error {
	return k.effect(func() { k.serving, k.dataKey = false, false })
}

// Serve implements reconcile.Egress.
func (e egress) Serve(context.Context, tenant.ClusterID, int) error {
	return e.effect(func() { e.wayOut = true })
}

// Serving implements reconcile.Egress.
func (e egress) Serving(tenant.ClusterID) bool { return see(e.World, func() bool { return e.wayOut }) }

// Close implements reconcile.Egress.
func (e egress) Close(tenant.ClusterID) error { return e.effect(func() { e.wayOut = false }) }
