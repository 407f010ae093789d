package controlplanetest

import (
	"context"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// keys and kms are the two views of a World whose methods share the name Destroy.
type (
	keys struct{ *World }
	kms  struct{ *World }
)

var (
	_ reconcile.Keys = keys{}
	_ reconcile.KMS  = kms{}
)

// Destroy implements reconcile.Keys.
func (k keys) Destroy(context.Context, tenant.ClusterID) error {
	return k.effect(func() { k.issued = false })
}

// Destroy implements reconcile.KMS.
func (k kms) Destroy(context.Context, tenant.ClusterID) error {
	return k.effect(func() { k.serving, k.dataKey = false, false })
}
