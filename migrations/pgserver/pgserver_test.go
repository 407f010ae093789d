//go:build integration

package pgserver

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config returns places for a server, which are removed, with whatever still
// runs there, when the test ends.
func config(t *testing.T) Config {
	t.Helper()
	// Not t.TempDir: the user postgres may not enter that.
	dir, err := os.MkdirTemp("", "marina-pgserver-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := Config{DataDir: filepath.Join(dir, "sub", "data"), SocketDir: filepath.Join(dir, "s"), LogFile: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		if err := Halt(context.WithoutCancel(t.Context()), c); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return c
}

func begin(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// ask runs one query with one number as its answer.
func ask(t *testing.T, s *Server, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	put = "WITH x AS (INSERT INTO kept VALUES (7)) SELECT 1"
	get = "SELECT coalesce(sum(n), 0)::int FROM kept"
)

func TestServer(t *testing.T) {
	t.Parallel()
	c := config(t)
	s := begin(t, c)
	if n := ask(t, s, "SELECT count(*) FROM pg_roles WHERE rolname = current_user AND NOT rolsuper AND rolcreaterole"); n != 1 {
		t.Error("the login is a superuser, or may not make roles")
	}
	if n := ask(t, s, "SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('fsync', 'on'), ('synchronous_commit', 'on'), ('full_page_writes', 'on'), ('data_checksums', 'on'), ('listen_addresses', ''))"); n != 5 {
		t.Errorf("%d of 5 settings are as they must be", n)
	}
	for _, dir := range []string{c.DataDir, c.SocketDir} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v: others reach a database without a password", dir, info.Mode())
		}
	}
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	ask(t, s, put)
	stop(t, s)
	stop(t, s) // again does nothing
	<-s.Done()

	s = begin(t, c)
	if n := ask(t, s, get); n != 7 {
		t.Errorf("the table holds %d after a restart, want 7", n)
	}
	stop(t, s)
	if pids, err := onDirectory(c.DataDir); err != nil || len(pids) > 0 {
		t.Errorf("processes %v are left, %v", pids, err)
	}
}

// TestLeftBehind starts on directories in the states in which crashes leave them.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		why   string
		crash func(*testing.T, Config, *Server)
	}{
		"Running": {"the parent was killed", func(*testing.T, Config, *Server) {}},
		"Killed": {"the server was killed, too, or the machine lost power", func(t *testing.T, _ Config, s *Server) {
			signalServer(t, s, syscall.SIGKILL)
			<-s.Done()
		}},
		"KilledAndSlow": {"its children may not have noticed yet", func(t *testing.T, _ Config, s *Server) {
			signalServer(t, s, syscall.SIGKILL)
		}},
		"LockOfAnother": {"the number in the lock may belong to another process of the same user by now", func(t *testing.T, c Config, s *Server) {
			signalServer(t, s, syscall.SIGKILL)
			<-s.Done()
			other := config(t)
			other.Fast = true
			o := begin(t, other)
			t.Cleanup(func() { stop(t, o) })
			lock := filepath.Join(c.DataDir, "postmaster.pid")
			b, err := os.ReadFile(lock)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(b), "\n")
			if err := os.WriteFile(lock, []byte(strconv.Itoa(o.cmd.Process.Pid)+"\n"+rest), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"HalfMade": {"initdb was killed in another attempt", func(t *testing.T, c Config, s *Server) {
			stop(t, s)
			if err := os.MkdirAll(filepath.Join(c.DataDir+".new", "base"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(t)
			c.Fast = name == "Running" || name == "HalfMade" // a fast server loses commits when it is killed
			first := begin(t, c)
			conn, err := pgx.Connect(t.Context(), first.DSN())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context()) // a client that hangs on
			if _, err := conn.Exec(t.Context(), "CREATE TABLE kept (n int)"); err != nil {
				t.Fatal(err)
			}
			ask(t, first, put)
			tc.crash(t, c, first)

			second := begin(t, c)
			defer stop(t, second)
			select {
			case <-first.Done():
			case <-time.After(5 * time.Second):
				t.Error("two servers on one directory")
			}
			if n := ask(t, second, get); n != 7 {
				t.Errorf("the table holds %d, want 7: %s", n, tc.why)
			}
		})
	}
}

func signalServer(t *testing.T, s *Server, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestHalt(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Fast = true
	if err := Halt(t.Context(), c); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	s := begin(t, c)
	if err := Halt(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		t.Error("it still runs")
	}
	if err := Halt(t.Context(), c); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestStartSaysWhy(t *testing.T) {
	t.Parallel()
	t.Run("Directory", func(t *testing.T) {
		t.Parallel()
		c := config(t)
		shut := filepath.Dir(filepath.Dir(c.DataDir))
		if err := os.Chmod(shut, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "chmod a+x "+shut) {
			t.Errorf("error = %v, want what to do about %s", err, shut)
		}
	})
	t.Run("Log", func(t *testing.T) {
		t.Parallel()
		c := config(t)
		c.Fast = true
		stop(t, begin(t, c))
		if err := os.WriteFile(filepath.Join(c.DataDir, "postgresql.conf"), []byte("no_such_setting = 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
			t.Errorf("error = %v, want the server's own words", err)
		}
	})
	t.Run("Occupied", func(t *testing.T) {
		t.Parallel()
		c := config(t)
		if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
			t.Fatal(err)
		}
		mine := filepath.Join(c.DataDir, "thesis.txt")
		if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), c.DataDir) {
			t.Errorf("error = %v, want one that names the directory", err)
		}
		if _, err := os.Stat(mine); err != nil {
			t.Errorf("somebody's file is gone: %v", err)
		}
	})
}
