// Package pgserver runs Postgres as a child process, reached only through a unix
// socket that nobody but its owner and root can open.
//
// The server runs in a session of its own. When the parent is killed it stays
// behind; the next Start on the same directory, or Halt, shuts it down first.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	login     = "marina" // owns the database and may make roles; not a superuser
	Database  = "marina" // the one database of a server
	port      = "5432"   // a part of the socket's name; nothing listens on a network

	startLimit = 2 * time.Minute // replaying the log after a crash takes time
	stopLimit  = 30 * time.Second
	logLimit   = 10 << 20 // bytes
)

// Server is a running Postgres.
type Server struct {
	cfg  Config
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how the process ended; read after done is closed
}

// Start makes the database if it is not there, ends a server that was left
// behind on it, and returns once the new one answers. Every directory above
// c.DataDir and c.SocketDir must let the user postgres through.
func Start(ctx context.Context, c Config) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s, err := start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, c Config) (*Server, error) {
	cmds, err := CommandsFor(c)
	if err != nil {
		return nil, err
	}
	if err := halt(ctx, c); err != nil {
		return nil, err
	}
	if err := prepare(ctx, c, cmds); err != nil {
		return nil, err
	}
	if err := claim(c); err != nil {
		return nil, err
	}
	log, err := openLog(c.LogFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &Server{cfg: c, done: make(chan struct{})}
	// Not CommandContext: the server lives on when ctx ends.
	s.cmd = exec.Command(cmds.Postgres[0], cmds.Postgres[1:]...) //nolint:noctx // see above
	s.cmd.Env, s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = cmds.Env, "/", log, log
	// A session of its own: Ctrl-C at a terminal must not reach it before we say so.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cmds.Credential, Setsid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// ready waits until the server answers, and makes the login and the database
// that DSN speaks of.
func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := Bootstrap(ctx, s.cfg.SocketDir)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("it ended at once (%w); its log says: %s", s.err, tail(s.cfg.LogFile))
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w; its log says: %s", err, tail(s.cfg.LogFile))
		case <-tick.C:
		}
	}
}

// Bootstrap makes the login and the database that DSN speaks of, where they are
// not there yet, in the server that listens in socketDir.
func Bootstrap(ctx context.Context, socketDir string) error {
	conn, err := pgx.Connect(ctx, AdminDSN(socketDir))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to save
	for _, step := range []struct{ there, make string }{
		{"SELECT count(*) FROM pg_roles WHERE rolname = '" + login + "'", "CREATE ROLE " + login + " LOGIN CREATEROLE CREATEDB"},
		{"SELECT count(*) FROM pg_database WHERE datname = '" + Database + "'", "CREATE DATABASE " + Database + " OWNER " + login},
	} {
		var n int
		if err := conn.QueryRow(ctx, step.there).Scan(&n); err != nil {
			return fmt.Errorf("look at the new database: %w", err)
		}
		if n > 0 {
			continue
		}
		if _, err := conn.Exec(ctx, step.make); err != nil {
			return fmt.Errorf("prepare the new database: %w", err)
		}
	}
	return nil
}

// DSN is how to reach the server's database as its owner, who is no superuser.
func (s *Server) DSN() string { return DSN(s.cfg.SocketDir, Database) }

// Done is closed when the process has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends the server: it breaks off running transactions, writes everything
// down and returns when the process is gone. It may be called more than once.
func (s *Server) Stop() error {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		select {
		case <-s.done:
			return nil
		case <-time.After(stopLimit):
		}
	}
	<-s.done
	return nil
}

// DSN is how to reach a database of the server that listens in socketDir, as
// the login that owns it.
func DSN(socketDir, database string) string { return dsn(socketDir, login, database) }

// AdminDSN is how to reach that server as its superuser.
func AdminDSN(socketDir string) string { return dsn(socketDir, superuser, "postgres") }

func dsn(socketDir, user, database string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=%s user=%s dbname=%s sslmode=disable", quote.Replace(socketDir), port, user, database)
}

// prepare makes the directories, and the database where there is none.
func prepare(ctx context.Context, c Config, cmds Commands) error {
	for _, dir := range []string{c.DataDir, c.SocketDir} {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
		if err := passable(filepath.Dir(dir), cmds.Credential); err != nil {
			return err
		}
	}
	if err := private(c.SocketDir, cmds.Credential); err != nil {
		return err
	}
	_, err := os.Stat(filepath.Join(c.DataDir, "PG_VERSION"))
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return initdb(ctx, c, cmds.Credential)
}

// initdb makes the database beside its place and moves it there when it is
// whole, so that a crash in the middle leaves none rather than half of one.
func initdb(ctx context.Context, c Config, who *syscall.Credential) error {
	place := c.DataDir
	c.DataDir += ".new"
	if err := os.RemoveAll(c.DataDir); err != nil {
		return err
	}
	if err := private(c.DataDir, who); err != nil {
		return err
	}
	cmds, err := CommandsFor(c)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, cmds.Initdb[0], cmds.Initdb[1:]...)
	cmd.Env, cmd.Dir = cmds.Env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cmds.Credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	// The place may be an empty directory, over which a rename succeeds; one
	// with something else in it is not ours to remove.
	if err := os.Rename(c.DataDir, place); err != nil {
		return fmt.Errorf("put the new database in its place: %w", err)
	}
	return nil
}

// private makes dir a directory that only its owner, who, can enter.
func private(dir string, who *syscall.Credential) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	if who == nil {
		return nil
	}
	return os.Chown(dir, int(who.Uid), int(who.Gid))
}

// passable returns an error that names the first directory on the way to dir
// through which who may not pass; Postgres would only say "permission denied".
func passable(dir string, who *syscall.Credential) error {
	if who == nil {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		bit := fs.FileMode(0o001)
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == who.Uid {
			bit = 0o100
		} else if ok && st.Gid == who.Gid {
			bit = 0o010
		}
		if info.Mode().Perm()&bit == 0 {
			return fmt.Errorf("the user that PostgreSQL runs as may not enter %s: chmod a+x %s", d, d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

func openLog(name string) (*os.File, error) {
	if info, err := os.Stat(name); err == nil && info.Size() > logLimit {
		if err := os.Rename(name, name+".1"); err != nil {
			return nil, fmt.Errorf("rotate the log: %w", err)
		}
	}
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// tail returns the last part of a log, for an error message.
func tail(name string) string {
	const most = 1000
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-most):]))
}
