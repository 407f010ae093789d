package pgserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Config says where a server keeps its things. All paths are absolute.
type Config struct {
	DataDir   string // created when absent, and owned by the server's user
	SocketDir string // created when absent; a short path, since a socket's path holds at most 107 bytes (unix(7))
	LogFile   string // appended to; a big one is moved to LogFile.1 at the start
	Fast      bool   // lose commits when the server or the machine crashes: for tests
}

// Commands are the processes that make up a server.
type Commands struct {
	Initdb     []string            // makes DataDir, which must be an empty directory or absent
	Postgres   []string            // serves it
	Env        []string            // of both
	Credential *syscall.Credential // of both; nil where this process is not root
}

// binaries is where Debian and Ubuntu put Postgres' server programs, one
// directory per major version.
const binaries = "/usr/lib/postgresql"

// CommandsFor returns the commands that serve c. It takes the newest Postgres
// that is installed, or the one that made c.DataDir: Postgres reads no data of
// another major version. Root may not run Postgres, so root's commands run as
// the user postgres.
func CommandsFor(c Config) (Commands, error) {
	bin, err := binDir(binaries, c.DataDir)
	if err != nil {
		return Commands{}, err
	}
	cmds := Commands{
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"},
		// The locale C sorts by bytes: an upgrade of the C library cannot corrupt
		// an index. Trust is safe since only the owner and root reach the socket.
		Initdb: []string{
			filepath.Join(bin, "initdb"), "--pgdata=" + c.DataDir, "--username=" + superuser,
			"--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums",
		},
		Postgres: []string{
			filepath.Join(bin, "postgres"), "-D", c.DataDir, "-k", c.SocketDir, "-p", port,
			"-c", "listen_addresses=", "-c", "unix_socket_permissions=0700",
			"-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "log_line_prefix=%m [%p] %u@%d ",
			"-c", "log_checkpoints=off", "-c", "logging_collector=off",
			"-c", "jit=off", // compiling costs more than our short queries do
		},
	}
	if c.Fast {
		cmds.Initdb = append(cmds.Initdb, "--no-sync")
		cmds.Postgres = append(cmds.Postgres,
			"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			"-c", "autovacuum=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB")
	}
	if os.Geteuid() == 0 {
		cmds.Credential, err = credential("postgres")
	}
	return cmds, err
}

// binDir returns the directory of the programs that can serve dataDir.
func binDir(root, dataDir string) (string, error) {
	var versions []int
	found, _ := filepath.Glob(filepath.Join(root, "*", "bin", "postgres")) // the pattern is valid
	for _, f := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f)))); err == nil {
			versions = append(versions, v)
		}
	}
	dir := func(v int) string { return filepath.Join(root, strconv.Itoa(v), "bin") }
	switch made, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION")); {
	case err == nil:
		v, err := strconv.Atoi(strings.TrimSpace(string(made)))
		if err != nil {
			return "", fmt.Errorf("%s holds %q, which is no version of PostgreSQL", filepath.Join(dataDir, "PG_VERSION"), made)
		}
		if !slices.Contains(versions, v) {
			return "", fmt.Errorf("the data in %s needs PostgreSQL %d, which is not installed: apt-get install postgresql-%d", dataDir, v, v)
		}
		return dir(v), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the version of the database: %w", err)
	case len(versions) == 0:
		return "", errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	return dir(slices.Max(versions)), nil
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("find the user that PostgreSQL runs as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user id of %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("group id of %s: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
