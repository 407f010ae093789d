// Package pgtest gives each test a database of its own, real and migrated.
//
// The first call in a test process starts a Postgres that all its tests share.
// A guardian process, which the server belongs to, ends it and removes its files
// when the test process ends, also when it panics or is killed.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// template is the migrated database that every test's is a copy of.
const template = "template_marina"

const startLimit = time.Minute

var counter atomic.Int64

// New returns a connection to a fresh, migrated database, which is closed and
// removed when the test ends. It fails the test where it cannot.
func New(t testing.TB) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), NewDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// NewDSN returns the address of a fresh, migrated database, which is removed
// when the test ends, whoever still uses it.
func NewDSN(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", counter.Add(1))
	// Without fsync, copying files is quicker than logging every page.
	if err := s.admin(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy OWNER marina"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return pgserver.DSN(s.sockets, name)
}

// server is the Postgres of this test process.
type server struct {
	sockets string
	leash   *os.File // the guardian waits for its other end to close
}

var shared = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	s, err := start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL for tests: %w", err)
	}
	return s, nil
})

// guardian makes and serves a database until its standard input ends, which the
// kernel sees to when the test process is gone. It lets initdb finish first: what
// that leaves behind when it is killed, such as shared memory, nobody removes.
const guardian = `
dir=$1
%s >"$dir/log" 2>&1 || { touch "$dir/ended"; read -r line; rm -rf "$dir"; exit; }
%s >>"$dir/log" 2>&1 &
read -r line
kill -TERM $! # a shell's background process ignores QUIT until it is Postgres
kill -QUIT $!
wait
rm -rf "$dir"
`

func start(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "marina-pgtest-")
	if err != nil {
		return nil, err
	}
	cfg := pgserver.Config{DataDir: filepath.Join(dir, "data"), SocketDir: dir, Fast: true}
	cmds, err := pgserver.CommandsFor(cfg)
	if err != nil {
		os.Remove(dir) //nolint:errcheck // the other error matters
		return nil, err
	}
	if c := cmds.Credential; c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			return nil, err
		}
	}
	end, leash, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	script := fmt.Sprintf(guardian, shell(cmds.Initdb), shell(cmds.Postgres))
	cmd := exec.Command("/bin/sh", "-c", script, "guardian", dir) //nolint:noctx // it outlives every context
	cmd.Env, cmd.Dir, cmd.Stdin = cmds.Env, "/", end
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cmds.Credential, Setsid: true}
	// No Wait: it would keep a goroutine, and the guardian ends after us.
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{sockets: dir, leash: leash}
	if err := s.ready(ctx, dir); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // without it, the error alone
		leash.Close()                                    //nolint:errcheck // lets the guardian clean up
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(log)))
	}
	if err := migrations.Apply(ctx, pgserver.DSN(dir, template)); err != nil {
		return nil, err
	}
	return s, nil
}

// ready waits for the server and makes the empty template.
func (s *server) ready(ctx context.Context, dir string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := pgserver.Bootstrap(ctx, s.sockets)
		if err == nil {
			return s.admin(ctx, "CREATE DATABASE "+template+" OWNER marina")
		}
		if _, ended := os.Stat(filepath.Join(dir, "ended")); ended == nil {
			return errors.New("initdb failed")
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// admin runs one statement as the superuser.
func (s *server) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, pgserver.AdminDSN(s.sockets))
	if err != nil {
		return fmt.Errorf("reach the database for tests: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is left to save
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// shell quotes args for sh.
func shell(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
