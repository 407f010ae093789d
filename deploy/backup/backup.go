package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgserver"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

// Job is one backup to make. It needs root.
type Job struct {
	Home       home.Home
	Etcd       string // the program
	Marina     string // version
	Recipients []age.Recipient
	To         string // a new file, or a directory
	Keep       int    // in the directory, of this home; 0: all
	Say        func(string)
}

// Made is a backup that was made.
type Made struct {
	File     string           `json:"file"`
	Bytes    int64            `json:"bytes"`
	TookMS   int64            `json:"took_ms"`
	Manifest archive.Manifest `json:"manifest"`
	Removed  []string         `json:"removed,omitempty"` // older backups
}

// rounds bounds how often clusters that were added meanwhile are looked for. Each
// round is shorter than the one before.
const rounds = 20

// Run makes a backup of an installation, whether it runs or not. A cluster whose
// data cannot be copied does not keep the others from being saved: it is Missing
// in the manifest. A backup that lacks something never replaces an older one.
func (j Job) Run(ctx context.Context) (made Made, err error) {
	began := time.Now()
	if err := host.Whole(j.Home); err != nil {
		return made, err
	}
	at, err := place(j.Home, j.To, began)
	if err != nil {
		return made, err
	}
	unlock, err := host.Lock(j.Home.Path("backup.lock"))
	if errors.Is(err, host.ErrLocked) {
		return made, fmt.Errorf("another backup of %s is being made: wait until it has ended", j.Home.Dir)
	}
	if err != nil {
		return made, err
	}
	defer unlock()
	db, release, err := openDatabase(ctx, j.Home, j.Say)
	if err != nil {
		return made, err
	}
	defer release()

	// Copies wait here until they are encrypted: on the disk that holds the
	// originals, for root alone.
	scratch := j.Home.Path("backup")
	if err := errors.Join(os.RemoveAll(scratch), os.Mkdir(scratch, 0o700)); err != nil {
		return made, fmt.Errorf("make a directory for copies: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := os.Remove(at.partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return made, fmt.Errorf("remove what an interrupted backup left: %w", err)
	}
	out, err := os.OpenFile(at.partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return made, fmt.Errorf("write the backup: %w", err)
	}
	made.Manifest, err = j.write(ctx, db, scratch, out)
	if err != nil {
		return made, errors.Join(err, out.Close(), os.Remove(at.partial))
	}
	if info, err := out.Stat(); err == nil {
		made.Bytes = info.Size()
	}
	if err := at.publish(out); err != nil {
		return made, err
	}
	made.File = at.file
	if len(made.Manifest.Incomplete()) == 0 {
		if err := noteLast(j.Home, made.File); err != nil {
			return made, err
		}
		if at.dir && j.Keep > 0 {
			made.Removed, err = forget(at, j.Home, j.Keep)
		}
	}
	made.TookMS = time.Since(began).Milliseconds()
	return made, err
}

// forget removes the oldest backups of a home.
func forget(at target, h home.Home, keep int) (removed []string, err error) {
	all, err := List(filepath.Dir(at.file))
	if err != nil {
		return nil, err
	}
	for _, old := range surplus(all, h.Name(), keep) {
		if err := os.Remove(old.File); err != nil {
			return removed, fmt.Errorf("remove an old backup: %w", err)
		}
		removed = append(removed, old.File)
	}
	return removed, nil
}

// run is a backup being written.
type run struct {
	Job
	data    controlplaneapp.Data
	scratch string
	archive *archive.Writer
	known   map[tenant.ClusterID]archive.Cluster
}

func (j Job) write(ctx context.Context, db *pg.DB, scratch string, out *os.File) (m archive.Manifest, err error) {
	r := run{Job: j, data: controlplaneapp.Data{Home: j.Home, Etcd: j.Etcd}, scratch: scratch, known: map[tenant.ClusterID]archive.Cluster{}}
	if r.archive, err = archive.NewWriter(out, j.Recipients, j.Marina, time.Now()); err != nil {
		return m, err
	}
	vault, wanted, err := seal.NeedsVault(ctx, db)
	if err != nil {
		return m, err
	}
	names, err := homeFiles(j.Home)
	if err != nil {
		return m, err
	}
	for _, name := range names {
		if err := r.add(filePrefix+name, j.Home.Path(name)); err != nil {
			return m, err
		}
	}
	for range rounds {
		var added []controlplane.Cluster
		err := db.Frozen(ctx, func(tx pgx.Tx, snapshot string) error {
			living, err := controlplaneapp.Living(ctx, tx)
			if err != nil {
				return fmt.Errorf("list clusters: %w", err)
			}
			for _, c := range living {
				if wants(c, r.known) {
					added = append(added, c)
				}
			}
			if len(added) > 0 {
				return nil
			}
			m.Clusters = settle(living, r.known)
			return r.addDatabase(ctx, snapshot)
		})
		if err != nil {
			return m, err
		}
		if len(added) == 0 {
			if m.Schema, err = migrations.Version(ctx, pgserver.DSN(j.Home.Postgres(), pgserver.Database)); err != nil {
				return m, err
			}
			// The files of the home were copied before: a master key that was made
			// since is not among them.
			after, now, err := seal.NeedsVault(ctx, db)
			if err != nil {
				return m, err
			}
			if now != wanted {
				return m, errors.New("the secret store was switched while the backup was made: make it again")
			}
			m.Vault = cmp.Or(vault, after)
			return r.archive.Close(m)
		}
		for i, c := range added {
			j.Say(fmt.Sprintf("cluster %d of %d: %s", i+1, len(added), c.Name))
			if r.known[c.ID], err = r.addCluster(ctx, c); err != nil {
				return m, err
			}
		}
	}
	return m, fmt.Errorf("clusters were added faster than they could be saved, %d times: try again", rounds)
}

// addCluster copies a cluster's data. What is wrong with one cluster is told, and
// not an error.
func (r run) addCluster(ctx context.Context, c controlplane.Cluster) (archive.Cluster, error) {
	if c.Purge {
		return describe(c, archive.Leaving, ""), nil
	}
	file := filepath.Join(r.scratch, string(c.ID))
	revision, err := r.data.Copy(ctx, c, file, file+".d")
	switch {
	case ctx.Err() != nil:
		return archive.Cluster{}, ctx.Err()
	case errors.Is(err, controlplaneapp.ErrNoData):
		return describe(c, archive.Empty, ""), nil
	case err != nil:
		return describe(c, archive.Missing, err.Error()), nil
	}
	if err := r.add(etcdPart(c.ID), file); err != nil {
		return archive.Cluster{}, err
	}
	if err := os.Remove(file); err != nil {
		return archive.Cluster{}, fmt.Errorf("remove a copy: %w", err)
	}
	saved := describe(c, archive.Saved, "")
	saved.Revision = revision
	return saved, nil
}

// addDatabase dumps the database as it is in a snapshot.
func (r run) addDatabase(ctx context.Context, snapshot string) error {
	r.Say("the database")
	name := filepath.Join(r.scratch, database)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("dump the database: %w", err)
	}
	err = pgserver.Dump(ctx, host.PostgresConfig(r.Home), snapshot, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return r.add(database, name)
}

// add adds a file to the archive.
func (r run) add(part, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("save %s: %w", part, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("save %s: %w", part, err)
	}
	return r.archive.Part(part, info.Size(), f)
}
