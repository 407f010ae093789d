package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// How long processes may take to end by themselves. A server finishes what it is
// writing; a tenant's etcd closes its data.
const (
	serverGrace    = 30 * time.Second
	routerGrace    = 5 * time.Second
	containerGrace = 15 * time.Second
)

// PostgresConfig says where a home's own Postgres keeps its things.
func PostgresConfig(h home.Home) pgserver.Config {
	return pgserver.Config{DataDir: h.Path("postgres"), SocketDir: h.Postgres(), LogFile: h.Path("log", "postgres.log")}
}

// Downed is what Down took away.
type Downed struct {
	Existed    bool `json:"existed"`    // there was an installation
	Processes  int  `json:"processes"`  // of server and router
	Containers int  `json:"containers"` // etcds, control planes and machines
	Purged     bool `json:"purged"`     // its data is deleted
}

// Down stops everything of a home and removes whatever of it is not data:
// processes, containers, cgroups, mounts, network namespaces, sockets. It needs
// no database and nothing that runs, so that it also works after any crash. Data
// stays, and the next start brings everything back, unless withData is set.
func Down(ctx context.Context, h home.Home, runcBinary string, withData bool, say func(string)) (d Downed, err error) {
	if err := refuseForeign(h); err != nil {
		return d, err
	}
	say("stopping the server and the router")
	// The server first: it starts a router that ended again.
	server, ok, err := Find(ServerFile(h))
	if err != nil {
		return d, err
	}
	if ok {
		d.Processes++
		if err := Stop(ctx, server, serverGrace); err != nil {
			return d, err
		}
	}
	routers, err := stopRouters(ctx, h)
	d.Processes += routers
	if err != nil {
		return d, err
	}
	if d.Existed, err = isClaimed(h); err != nil {
		return d, err
	}
	if d.Existed {
		release, err := Lock(LockFile(h))
		if err != nil {
			return d, fmt.Errorf("another command works in %s, try again in a moment: %w", h.Dir, err)
		}
		defer release()
	}
	say("stopping Postgres")
	if err := pgserver.Halt(ctx, PostgresConfig(h)); err != nil {
		return d, fmt.Errorf("stop Postgres: %w", err)
	}
	say("stopping control planes and machines")
	if d.Containers, err = stopContainers(ctx, runc.Runc{Binary: runcBinary, Root: h.Runc()}); err != nil {
		return d, err
	}
	say("removing cgroups, mounts and network namespaces")
	if err := runc.RemoveCgroup(ctx, h.Cgroup()); err != nil {
		return d, fmt.Errorf("remove cgroups: %w", err)
	}
	if err := unmount(h); err != nil {
		return d, err
	}
	if err := os.RemoveAll(h.Run()); err != nil {
		return d, fmt.Errorf("remove sockets: %w", err)
	}
	if !withData || !d.Existed {
		return d, nil
	}
	say("deleting all data")
	if err := purge(h); err != nil {
		return d, err
	}
	d.Purged = true
	return d, nil
}

// stopContainers ends all containers and deletes them. Machines are killed:
// nothing on them is worth waiting for. Then the API servers end, and last each
// tenant's etcd, which an API server needs to end well.
func stopContainers(ctx context.Context, r runc.Runc) (int, error) {
	ids, err := r.List(ctx)
	if err != nil {
		return 0, fmt.Errorf("list containers: %w", err)
	}
	waves := make([][]string, 3)
	for _, id := range ids {
		_, machine := tenant.ParseNodeID(id)
		switch {
		case machine:
			waves[0] = append(waves[0], id)
		case !strings.HasSuffix(id, etcdSuffix):
			waves[1] = append(waves[1], id)
		default:
			waves[2] = append(waves[2], id)
		}
	}
	for n, signal := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGTERM} {
		if err := stopAll(ctx, r, waves[n], signal); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// etcdSuffix ends the identifiers of etcds' containers.
const etcdSuffix = "-etcd"

// stopAll ends containers at once, and kills what does not end in time.
func stopAll(ctx context.Context, r runc.Runc, ids []string, signal unix.Signal) error {
	var running []runc.Init
	for _, id := range ids {
		init, err := r.Init(ctx, id)
		if errors.Is(err, runc.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at container %s: %w", id, err)
		}
		if err := init.Signal(signal); err != nil {
			return fmt.Errorf("stop container %s: %w", id, err)
		}
		running = append(running, init)
	}
	gentle, cancel := context.WithTimeout(ctx, containerGrace)
	defer cancel()
	for _, init := range running {
		_, _ = init.Wait(gentle) // what does not end in time is killed below
	}
	for _, id := range ids {
		if err := r.Delete(ctx, id, true); err != nil {
			return fmt.Errorf("delete container %s: %w", id, err)
		}
	}
	return nil
}
