package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgserver"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

// Restoration brings a backup back. It needs root.
type Restoration struct {
	Home       home.Home // empty, or what an interrupted restoration left
	Etcd       string    // the program
	File       string
	Identities []age.Identity
	Incomplete bool // bring clusters back without their data where the backup lacks it
	Say        func(string)
}

// Restored is what was brought back.
type Restored struct {
	Home     string           `json:"home"`
	TookMS   int64            `json:"took_ms"`
	Manifest archive.Manifest `json:"manifest"`
}

// Run brings a backup back. Nothing runs afterwards: the next start brings up
// everything. After an error the home is as empty as it was; after a crash, Run
// starts over.
func (r Restoration) Run(ctx context.Context) (done Restored, err error) {
	began := time.Now()
	file, err := os.Open(r.File) // before anything is touched
	if err != nil {
		return done, fmt.Errorf("open the backup: %w", err)
	}
	defer file.Close()
	unlock, err := host.BeginRestore(r.Home)
	if err != nil {
		return done, err
	}
	defer unlock()
	// A database that an interrupted restoration left running has lost its files.
	if err := pgserver.Halt(ctx, host.PostgresConfig(r.Home)); err != nil {
		return done, err
	}
	done.Home = r.Home.Dir
	if done.Manifest, err = r.restore(ctx, file); err != nil {
		return done, errors.Join(err, host.GiveUpRestore(r.Home))
	}
	if err := host.EndRestore(r.Home); err != nil {
		return done, err
	}
	done.TookMS = time.Since(began).Milliseconds()
	return done, nil
}

func (r Restoration) restore(ctx context.Context, file io.Reader) (m archive.Manifest, err error) {
	// All of it is read, and found whole, before any of it is used.
	scratch := r.Home.Path("restore")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return m, fmt.Errorf("make a directory to unpack into: %w", err)
	}
	r.Say("reading the backup")
	if m, err = archive.Read(interruptible{ctx, file}, r.Identities, unpack(scratch, r.Say)); err != nil {
		return m, err
	}
	if err := sound(m); err != nil {
		return m, err
	}
	if missing := m.Incomplete(); len(missing) > 0 && !r.Incomplete {
		return m, &IncompleteError{missing}
	}
	for _, p := range m.Parts {
		name, ok := strings.CutPrefix(p.Name, filePrefix)
		if !ok {
			continue
		}
		if name != filepath.Base(name) || host.IsMark(name) {
			return m, fmt.Errorf("%w: %s is no file of a home", archive.ErrDamaged, p.Name)
		}
		if err := os.Rename(filepath.Join(scratch, p.Name), r.Home.Path(name)); err != nil {
			return m, fmt.Errorf("put %s in its place: %w", name, err)
		}
	}
	r.Say("the database")
	living, err := r.loadDatabase(ctx, m, filepath.Join(scratch, database))
	if err != nil {
		return m, err
	}
	if err := r.putBack(ctx, m, living, scratch); err != nil {
		return m, err
	}
	if err := os.RemoveAll(scratch); err != nil {
		return m, fmt.Errorf("remove what was unpacked: %w", err)
	}
	return m, flush(r.Home.Dir)
}

// IncompleteError says that a backup lacks the data of clusters.
type IncompleteError struct{ Clusters []archive.Cluster }

func (e *IncompleteError) Error() string {
	lines := make([]string, 0, len(e.Clusters))
	for _, c := range e.Clusters {
		lines = append(lines, fmt.Sprintf("  %s (%s): %s", c.Name, c.ID, c.Reason))
	}
	return "the backup lacks the data of these clusters:\n" + strings.Join(lines, "\n")
}

// unpack keeps the parts of an archive as files below dir.
func unpack(dir string, say func(string)) func(archive.Part, io.Reader) error {
	return func(p archive.Part, data io.Reader) error {
		say(p.Name)
		to := filepath.Join(dir, filepath.FromSlash(p.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return fmt.Errorf("unpack the backup: %w", err)
		}
		f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("unpack the backup: %w", err)
		}
		_, err = io.Copy(f, data)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("unpack the backup: %w", err)
		}
		return nil
	}
}

// loadDatabase makes the database, and returns the clusters that are in it.
func (r Restoration) loadDatabase(ctx context.Context, m archive.Manifest, dump string) (living []controlplane.Cluster, err error) {
	stop, err := startDatabase(ctx, r.Home)
	if err != nil {
		return nil, err
	}
	defer stop()
	cfg := host.PostgresConfig(r.Home)
	dsn := pgserver.DSN(cfg.SocketDir, pgserver.Database)
	// The roles, which a dump only mentions, come with the schema.
	if err := migrations.Apply(ctx, dsn); err != nil {
		return nil, err
	}
	f, err := os.Open(dump)
	if err != nil {
		return nil, fmt.Errorf("load the database: %w", err)
	}
	defer f.Close()
	if err := pgserver.Load(ctx, cfg, f); err != nil {
		return nil, err
	}
	// An older backup has an older schema, which what follows does not know.
	if err := migrations.Apply(ctx, dsn); err != nil {
		return nil, err
	}
	db, err := pg.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	err = db.AsWorker(ctx, func(tx pgx.Tx) error {
		if err := pg.FreeLeases(ctx, tx); err != nil {
			return err
		}
		living, err = controlplaneapp.Transplanted(ctx, tx, fmt.Sprintf(
			"The cluster is being restored from a backup of %s. Later changes are lost.", m.Created.Format("2006-01-02 15:04 MST")))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the database: %w", err)
	}
	return living, nil
}

// putBack gives all clusters of the database their data.
func (r Restoration) putBack(ctx context.Context, m archive.Manifest, living []controlplane.Cluster, scratch string) error {
	state := map[tenant.ClusterID]archive.Cluster{}
	for _, c := range m.Clusters {
		state[c.ID] = c
	}
	data := controlplaneapp.Data{Home: r.Home, Etcd: r.Etcd}
	for i, c := range living {
		r.Say(fmt.Sprintf("cluster %d of %d: %s", i+1, len(living), c.Name))
		saved, ok := state[c.ID]
		if !ok {
			return fmt.Errorf("%w: its database holds the cluster %s, which it does not list", archive.ErrDamaged, c.ID)
		}
		if saved.State != archive.Saved {
			continue
		}
		file := filepath.Join(scratch, filepath.FromSlash(etcdPart(c.ID)))
		found, err := data.Restore(ctx, c, file)
		if err != nil {
			return err
		}
		if found.Revision < saved.Revision {
			return fmt.Errorf("%w: the data of cluster %s is older than it says", archive.ErrDamaged, c.ID)
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove a copy: %w", err)
		}
	}
	return nil
}

// flush writes everything down that was written on the file system of dir.
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write everything down: %w", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("write everything down: %w", err)
	}
	return nil
}

// interruptible is a file whose reading ends with ctx.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
