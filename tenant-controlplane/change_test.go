package controlplane_test

import (
	"errors"
	"testing"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestChange(t *testing.T) {
	t.Parallel()
	name, yes, no := "web", true, false
	plain := controlplane.Cluster{Name: "demo"}
	protected := controlplane.Cluster{Name: "demo", DeletionProtection: true}
	going := controlplane.Cluster{Name: "demo", Deleting: true}
	for what, tc := range map[string]struct {
		before    controlplane.Cluster
		change    controlplane.Change
		name      string
		protected bool
		want      error
	}{
		"Nothing":   {plain, controlplane.Change{}, "demo", false, nil},
		"Rename":    {protected, controlplane.Change{Name: &name}, "web", true, nil},
		"Protect":   {plain, controlplane.Change{DeletionProtection: &yes}, "demo", true, nil},
		"Unprotect": {protected, controlplane.Change{DeletionProtection: &no}, "demo", false, nil},
		"Going":     {going, controlplane.Change{Name: &name}, "demo", false, controlplane.ErrBadPhase},
	} {
		got, err := tc.change.Of(tc.before)
		if !errors.Is(err, tc.want) || got.Name != tc.name || got.DeletionProtection != tc.protected {
			t.Errorf("%s: %q, protected %t, error %v", what, got.Name, got.DeletionProtection, err)
		}
	}
}

func TestDeletable(t *testing.T) {
	t.Parallel()
	if err := (controlplane.Cluster{}).Deletable(); err != nil {
		t.Errorf("without protection: %v", err)
	}
	if err := (controlplane.Cluster{DeletionProtection: true}).Deletable(); !errors.Is(err, controlplane.ErrProtected) {
		t.Errorf("with protection: error = %v, want ErrProtected", err)
	}
}
