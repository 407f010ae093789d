package backup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestHomeFiles(t *testing.T) {
	t.Parallel()
	h := homeAt(t, t.TempDir())
	for _, name := range []string{"master.key", "admin-password", "marina.lock", "networks.json", ".login-123", "postgres/PG_VERSION"} {
		if err := os.MkdirAll(filepath.Dir(h.Path(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.Path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/shadow", h.Path("link")); err != nil {
		t.Fatal(err)
	}
	got, err := homeFiles(h)
	if want := []string{"admin-password", "master.key"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("saved are %v, %v; want %v", got, err, want)
	}
}

// TestSettle plays what may happen to clusters while a backup is made.
func TestSettle(t *testing.T) {
	t.Parallel()
	running := controlplane.Cluster{ID: "kc-1", Name: "x", Phase: controlplane.Running, Observed: 1}
	young := controlplane.Cluster{ID: "kc-1", Name: "x", Phase: controlplane.Provisioning}
	going := running
	going.Deleting, going.Purge = true, true
	kept := running
	kept.Deleting, kept.Phase = true, controlplane.Recoverable
	for name, tc := range map[string]struct {
		why    string
		now    []controlplane.Cluster // in the database, when it is dumped
		before archive.State          // what was found when its data was copied; "" is never
		again  bool                   // it has to be copied (once more) first
		want   archive.State          // "" is not in the backup at all
	}{
		"Saved":     {"the usual case", []controlplane.Cluster{running}, archive.Saved, false, archive.Saved},
		"Added":     {"it came after the others were copied", []controlplane.Cluster{running}, "", true, ""},
		"Young":     {"there is nothing to copy yet", []controlplane.Cluster{young}, archive.Empty, false, archive.Empty},
		"GrewUp":    {"people have put things there since", []controlplane.Cluster{running}, archive.Empty, true, ""},
		"Missing":   {"once is enough: others wait", []controlplane.Cluster{running}, archive.Missing, false, archive.Missing},
		"Going":     {"its owner does not want it back", []controlplane.Cluster{going}, archive.Saved, false, archive.Leaving},
		"Kept":      {"its owner may want it back", []controlplane.Cluster{kept}, archive.Saved, false, archive.Saved},
		"Gone":      {"the database does not know it any more, so nobody may see its data", nil, archive.Saved, false, ""},
		"GoneEarly": {"that is why it could not be copied", nil, archive.Missing, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := map[tenant.ClusterID]archive.Cluster{}
			if tc.before != "" {
				known["kc-1"] = describe(running, tc.before, "")
			}
			again := slices.ContainsFunc(tc.now, func(c controlplane.Cluster) bool { return wants(c, known) })
			if again != tc.again {
				t.Fatalf("copied again: %t, want %t: %s", again, tc.again, tc.why)
			}
			if again {
				return
			}
			var want []archive.Cluster
			if tc.want != "" {
				want = []archive.Cluster{describe(running, tc.want, "")}
			}
			if diff := cmp.Diff(want, settle(tc.now, known)); diff != "" {
				t.Errorf("%s: %s", tc.why, diff)
			}
		})
	}
}

func TestSound(t *testing.T) {
	t.Parallel()
	good := func() archive.Manifest {
		return archive.Manifest{Schema: 1, Parts: []archive.Part{{Name: database}, {Name: etcdPart("kc-1")}}, Clusters: []archive.Cluster{
			{ID: "kc-1", State: archive.Saved}, {ID: "kc-2", State: archive.Empty}, {ID: "kc-3", State: archive.Missing},
		}}
	}
	for name, tc := range map[string]struct {
		why    string
		change func(*archive.Manifest)
		want   error
	}{
		"Good":       {"missing clusters are for the operator to judge", func(*archive.Manifest) {}, nil},
		"Schema":     {"this program would not understand the database", func(m *archive.Manifest) { m.Schema = 1 << 40 }, archive.ErrNewer},
		"NoDatabase": {"there is nothing to restore", func(m *archive.Manifest) { m.Parts = m.Parts[1:] }, archive.ErrDamaged},
		"NoData":     {"a cluster would come back empty, and nobody would be told", func(m *archive.Manifest) { m.Parts = m.Parts[:1] }, archive.ErrDamaged},
	} {
		m := good()
		tc.change(&m)
		if err := sound(m); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v: %s", name, err, tc.want, tc.why)
		}
	}
}
