package reconcile_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplanetest"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

func newborn() controlplane.Cluster {
	return controlplane.Cluster{
		ID: tenant.NewClusterID(), Organization: tenant.NewOrganizationID(), Name: "demo", Version: "1.37",
		Phase: controlplane.Provisioning, Generation: 1, Since: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC),
	}
}

// settle gives the cluster turns until it may rest for long, and fails when that
// does not come.
func settle(t *testing.T, w *controlplanetest.World) {
	t.Helper()
	for range 100 {
		rest, err := w.Reconcile(t.Context())
		switch {
		case errors.Is(err, controlplanetest.ErrBoom):
			rest = time.Second // the queue's pause
		case err != nil:
			t.Fatalf("Reconcile: %v", err)
		case rest > 10*time.Second:
			return
		}
		w.Sleep(rest)
	}
	t.Fatalf("did not settle in 100 turns: %+v", w.Cluster())
}

// wishes are the life of a cluster: what happens to it, and how it must end.
var wishes = []struct {
	name   string
	happen func(*controlplanetest.World)
	phase  controlplane.Phase
	left   []string
}{
	{"create", func(*controlplanetest.World) {}, controlplane.Running, whole},
	{"stack dies", func(w *controlplanetest.World) { w.Kill(reconcile.Stack) }, controlplane.Running, whole},
	{"etcd dies", func(w *controlplanetest.World) { w.Kill(reconcile.Etcd) }, controlplane.Running, whole},
	{"a credential is revoked", (*controlplanetest.World).Revoke, controlplane.Running, revoked},
	{
		"networks are authorized",
		func(w *controlplanetest.World) {
			w.Change(func(c *controlplane.Cluster) { c.Networks = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} })
		},
		controlplane.Running, revoked,
	},
	{"machine restarts", (*controlplanetest.World).Reboot, controlplane.Running, revoked},
	{
		"upgrade",
		func(w *controlplanetest.World) { w.Change(func(c *controlplane.Cluster) { c.Version = "1.38" }) },
		controlplane.Running, revoked,
	},
	{
		"delete",
		func(w *controlplanetest.World) { w.Change(deleted) },
		controlplane.Recoverable, kept,
	},
	{
		"undelete",
		func(w *controlplanetest.World) { w.Change(undeleted) },
		controlplane.Running, revoked,
	},
	{
		"delete again",
		func(w *controlplanetest.World) { w.Change(deleted) },
		controlplane.Recoverable, kept,
	},
	{
		"purge",
		func(w *controlplanetest.World) { w.Change(func(c *controlplane.Cluster) { c.Purge = true }) },
		controlplane.Deleted, nil,
	},
}

var whole = []string{"data", "data key", "egress socket", "files", "key files", "keys", "kms socket", "process etcd", "process stack", "route"}

func deleted(c *controlplane.Cluster) {
	c.Deleting, c.PurgeAt = true, c.Since.Add(controlplane.KeepDeleted)
}

func undeleted(c *controlplane.Cluster) { c.Deleting, c.PurgeAt = false, time.Time{} }

// kept is what is there of a cluster that can be brought back.
var kept = []string{"data", "data key", "keys", "revoked credential"}

var revoked = slices.Sorted(slices.Values(append([]string{"revoked credential", "file of it"}, whole...)))

// TestEveryCrashPoint fails each effect of a cluster's life in turn, before and
// after it takes hold, and asks for the same end every time. It needs no list of
// effects: it goes on until a life has none left to fail.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // Await waits in real time
		for _, late := range []bool{false, true} {
			for n := 1; ; n++ {
				w := controlplanetest.New(newborn())
				w.FailAt, w.Late, w.Slow, w.Stubborn = n, late, 3, 2
				for _, wish := range wishes {
					wish.happen(w)
					settle(t, w)
					c := w.Cluster()
					if c.Phase != wish.phase || c.Observed != c.Generation || !slices.Equal(w.Left(), wish.left) {
						t.Fatalf("effect %d (late %v), %s: ended at %+v with %v", n, late, wish.name, c, w.Left())
					}
					if !slices.Equal(w.Networks(), c.Networks) {
						t.Fatalf("effect %d (late %v), %s: the router lets in %v, want %v", n, late, wish.name, w.Networks(), c.Networks)
					}
				}
				if w.Failures() == 0 {
					if n < 30 {
						t.Fatalf("a life has %d effects: the world does not count them", n)
					}
					break // every effect has failed once
				}
			}
		}
	})
}

func TestLifeWithoutFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := controlplanetest.New(newborn())
		w.Slow = 3
		for _, wish := range wishes {
			wish.happen(w)
			settle(t, w)
		}
		// Created, restarted by three deaths of its own or with the machine, replaced
		// by the upgrade, and brought back: nothing more than needed.
		if etcd, stack := w.Starts(reconcile.Etcd), w.Starts(reconcile.Stack); etcd != 4 || stack != 5 {
			t.Errorf("etcd was started %d times and the stack %d times, want 4 and 5", etcd, stack)
		}
		want := []string{
			"The cluster is running.",
			"The control plane is being repaired: The API server ended (signal: killed) and is started again.",
			"The cluster is running again.",
			"The control plane is being repaired: etcd ended (signal: killed) and is started again.",
			"The cluster is running again.",
		}
		if got := w.Messages(); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("the owner was told:\n%s\nwant first:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestOneTurn holds that a new cluster comes to running in one turn, without a
// rest in between that would cost time.
func TestOneTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := controlplanetest.New(newborn())
		w.Slow = 50
		begun := time.Now()
		if _, err := w.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c := w.Cluster(); c.Phase != controlplane.Running {
			t.Errorf("after one turn the cluster is %s", c.Phase)
		}
		if took := time.Since(begun); took > 101*50*time.Millisecond {
			t.Errorf("100 answers were awaited for %s", took)
		}
	})
}

// TestSealedStore restarts the machine while nothing can be unsealed: the cluster
// waits and says why, is not called broken, and comes back by itself.
func TestSealedStore(t *testing.T) {
	t.Parallel()
	w := controlplanetest.New(newborn())
	complains := func() bool {
		return slices.ContainsFunc(w.Cluster().Conditions, func(c controlplane.Condition) bool { return c.Type == controlplane.SecretsReady && !c.OK })
	}
	w.Seal(true)
	for range 3 {
		rest, err := w.Reconcile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.Sleep(rest)
	}
	if !complains() || w.Cluster().Phase != controlplane.Provisioning {
		t.Errorf("a new cluster: %+v; want it to wait and to say why", w.Cluster())
	}
	w.Seal(false)
	settle(t, w)
	if complains() || w.Cluster().Phase != controlplane.Running {
		t.Errorf("afterwards: %+v; want it running", w.Cluster())
	}
	w.Seal(true)
	w.Reboot()
	for range 3 {
		rest, err := w.Reconcile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.Sleep(rest)
	}
	if !complains() || w.Cluster().Phase != controlplane.Running {
		t.Errorf("after a restart: %+v; want it to wait and to say why", w.Cluster())
	}
	w.Seal(false)
	settle(t, w)
	if complains() || w.Cluster().Phase != controlplane.Running {
		t.Errorf("in the end: %+v; want it running", w.Cluster())
	}
}
