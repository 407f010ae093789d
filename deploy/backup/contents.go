package backup

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// The names of parts.
const (
	database   = "postgres"
	filePrefix = "files/"
	etcdPrefix = "etcd/"
)

func etcdPart(id tenant.ClusterID) string { return etcdPrefix + string(id) }

// left are files of a home that are not saved: its lock, and what is only true on
// this machine.
var left = []string{"marina.lock", "backup.lock", "networks.json"}

// homeFiles returns the names of the files in a home that are saved: all that lie
// there themselves. Directories have owners of their own in this package.
func homeFiles(h home.Home) (names []string, err error) {
	entries, err := os.ReadDir(h.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the home: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !slices.Contains(left, e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// describe says of a cluster what everybody may know.
func describe(c controlplane.Cluster, s archive.State, reason string) archive.Cluster {
	return archive.Cluster{ID: c.ID, Organization: c.Organization, Name: c.Name, Version: c.Version, State: s, Reason: reason}
}

// wants reports whether a cluster of the database still has to be looked at, given
// what is known of it.
func wants(c controlplane.Cluster, known map[tenant.ClusterID]archive.Cluster) bool {
	k, ok := known[c.ID]
	// One that had nothing may have come to life since.
	return !ok || k.State == archive.Empty && c.Observed > 0
}

// settle is the final word about all clusters: living is what the database holds,
// known what came of looking at each.
func settle(living []controlplane.Cluster, known map[tenant.ClusterID]archive.Cluster) (all []archive.Cluster) {
	for _, c := range living {
		k := known[c.ID]
		if c.Purge {
			k = describe(c, archive.Leaving, "")
		}
		all = append(all, k)
		delete(known, c.ID)
	}
	return all
}

// sound returns what keeps an archive, whole as it is, from being restored here.
func sound(m archive.Manifest) error {
	newest, err := migrations.Newest()
	if err != nil {
		return err
	}
	if m.Schema > newest {
		return fmt.Errorf("%w (its database has schema %d, this Marina knows %d)", archive.ErrNewer, m.Schema, newest)
	}
	if !m.Holds(database) {
		return fmt.Errorf("%w: it holds no database", archive.ErrDamaged)
	}
	for _, c := range m.Clusters {
		if c.State == archive.Saved && !m.Holds(etcdPart(c.ID)) {
			return fmt.Errorf("%w: it does not hold the data of cluster %s", archive.ErrDamaged, c.ID)
		}
	}
	return nil
}
