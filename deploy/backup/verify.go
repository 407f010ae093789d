package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pgserver"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

// Verified is what is in a backup that is as it should be.
type Verified struct {
	Manifest archive.Manifest                              `json:"manifest"`
	Etcds    map[tenant.ClusterID]controlplaneapp.EtcdCopy `json:"etcds"`
}

// Verify reads a backup to its end as a restoration would: it compares every
// digest, looks at every page of every etcd, and reads the dump of the database.
// It unpacks one part at a time, in a directory for temporary files.
func Verify(ctx context.Context, file string, identities []age.Identity, etcdProgram string, say func(string)) (v Verified, err error) {
	in, err := os.Open(file)
	if err != nil {
		return v, fmt.Errorf("open the backup: %w", err)
	}
	defer in.Close()
	dir, err := os.MkdirTemp("", "marina-verify-")
	if err != nil {
		return v, fmt.Errorf("make a directory to unpack into: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	v.Etcds = map[tenant.ClusterID]controlplaneapp.EtcdCopy{}
	data := controlplaneapp.Data{Etcd: etcdProgram}
	keep := unpack(dir, say)
	v.Manifest, err = archive.Read(interruptible{ctx, in}, identities, func(p archive.Part, r io.Reader) error {
		cluster, isEtcd := strings.CutPrefix(p.Name, etcdPrefix)
		if !isEtcd && p.Name != database {
			return nil // Read compares its digest
		}
		if err := keep(p, r); err != nil {
			return err
		}
		part := filepath.Join(dir, filepath.FromSlash(p.Name))
		defer os.Remove(part)
		if !isEtcd {
			return checkDump(ctx, part)
		}
		found, err := data.Check(ctx, part)
		v.Etcds[tenant.ClusterID(cluster)] = found
		return err
	})
	if err != nil {
		return v, err
	}
	if err := sound(v.Manifest); err != nil {
		return v, err
	}
	for _, c := range v.Manifest.Clusters {
		if c.State == archive.Saved && v.Etcds[c.ID].Revision < c.Revision {
			return v, fmt.Errorf("%w: the data of cluster %s is older than it says", archive.ErrDamaged, c.ID)
		}
	}
	return v, nil
}

func checkDump(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read the dump: %w", err)
	}
	defer f.Close()
	return pgserver.CheckDump(ctx, f)
}
