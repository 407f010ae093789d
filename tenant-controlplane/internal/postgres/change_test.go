//go:build integration

package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

func TestChange(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	c := mustCreate(t, s, by, "demo")
	mustCreate(t, s, by, "other")
	name, taken, on, off := "web", "other", true, false
	got, err := s.Change(t.Context(), by, c.ID, controlplane.Change{Name: &name, DeletionProtection: &on}, nil)
	if err != nil || got.Name != name || !got.DeletionProtection || got.Generation != c.Generation {
		t.Errorf("changed to %+v, %v; want both changes, and nothing for the reconciler to carry out", got, err)
	}
	if _, err := s.Change(t.Context(), by, c.ID, controlplane.Change{Name: &taken}, nil); !errors.Is(err, controlplane.ErrNameTaken) {
		t.Errorf("a name that is taken: error = %v", err)
	}
	if _, err := s.MarkDeleting(t.Context(), by, c.ID, time.Hour, nil); !errors.Is(err, controlplane.ErrProtected) {
		t.Errorf("deletion of a protected cluster: error = %v, want ErrProtected", err)
	}
	no := errors.New("no")
	refuse := func(controlplane.Cluster) error { return no }
	if _, err := s.Change(t.Context(), by, c.ID, controlplane.Change{DeletionProtection: &off}, refuse); !errors.Is(err, no) {
		t.Errorf("a change that the condition refuses: error = %v", err)
	}
	if got, err = s.ByID(t.Context(), by.Organization, c.ID); err != nil || !got.DeletionProtection {
		t.Errorf("after refused changes: %+v, %v", got, err)
	}
	if _, err := s.Change(t.Context(), by, c.ID, controlplane.Change{DeletionProtection: &off}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.MarkDeleting(t.Context(), by, c.ID, time.Hour, refuse); !errors.Is(err, no) || got.Deleting {
		t.Errorf("a deletion that the condition refuses: %+v, %v", got, err)
	}
	if got, err := s.MarkDeleting(t.Context(), by, c.ID, time.Hour, nil); err != nil || !got.Deleting {
		t.Errorf("deleted: %+v, %v", got, err)
	}
	if _, err := s.Change(t.Context(), by, c.ID, controlplane.Change{Name: &name}, nil); !errors.Is(err, controlplane.ErrBadPhase) {
		t.Errorf("change of a cluster that goes: error = %v, want ErrBadPhase", err)
	}
	events, err := s.Events(t.Context(), by.Organization, c.ID, "", 10)
	if err != nil || len(events) != 4 || events[1].Message != "The cluster demo is called web now. Deletion protection was put on." {
		t.Errorf("events = %+v, %v", events, err)
	}
}

// TestChangeAtOnce: of many who change what they read, one does.
func TestChangeAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	c := mustCreate(t, s, by, "demo")
	asIRead := func(now controlplane.Cluster) error {
		if now.Name != c.Name {
			return errors.New("changed meanwhile")
		}
		return nil
	}
	var won atomic.Int64
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			name := fmt.Sprintf("name-%d", i)
			if _, err := s.Change(t.Context(), by, c.ID, controlplane.Change{Name: &name}, asIRead); err == nil {
				won.Add(1)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 changes were made, want 1", won.Load())
	}
}
