package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Dump writes the database of the server on c, which must run, to w, in pg_dump's
// custom format and not compressed. Snapshot names the instant that it shows, as
// pg_export_snapshot does; empty is now. Roles, which belong to the server and not
// to a database, are not in it.
func Dump(ctx context.Context, c Config, snapshot string, w io.Writer) error {
	args := []string{"--format=custom", "--compress=0"}
	if snapshot != "" {
		args = append(args, "--snapshot="+snapshot)
	}
	if err := client(ctx, c, "pg_dump", nil, w, args...); err != nil {
		return fmt.Errorf("dump the database: %w", err)
	}
	return nil
}

// Load replaces the database of the server on c by a dump. The roles that the dump
// speaks of must be there. A dump that cannot be loaded completely leaves an empty
// database.
func Load(ctx context.Context, c Config, dump io.Reader) error {
	conn, err := pgx.Connect(ctx, AdminDSN(c.SocketDir))
	if err != nil {
		return fmt.Errorf("load the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to save
	for _, step := range []string{"DROP DATABASE IF EXISTS " + Database + " WITH (FORCE)", "CREATE DATABASE " + Database + " OWNER " + login} {
		if _, err := conn.Exec(ctx, step); err != nil {
			return fmt.Errorf("make way for the database: %w", err)
		}
	}
	if err := client(ctx, c, "pg_restore", dump, io.Discard, "--exit-on-error", "--single-transaction"); err != nil {
		return fmt.Errorf("load the database: %w", err)
	}
	return nil
}

// CheckDump reads a dump to its end, without a server.
func CheckDump(ctx context.Context, dump io.Reader) error {
	bin, err := binDir(binaries, "")
	if err != nil {
		return err
	}
	// It turns the dump into SQL, which nobody wants.
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pg_restore"), "--file=-")
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}, "/"
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = dump, io.Discard, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("read the dump of the database: %w", saying(ctx, err, &said))
	}
	return nil
}

// client runs one of Postgres' client programs, as the superuser.
func client(ctx context.Context, c Config, program string, in io.Reader, out io.Writer, args ...string) error {
	cmds, err := CommandsFor(c)
	if err != nil {
		return err
	}
	args = append(args, "--no-password", "--host="+c.SocketDir, "--port="+port, "--username="+superuser, "--dbname="+Database)
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(cmds.Postgres[0]), program), args...)
	cmd.Env, cmd.Dir = cmds.Env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cmds.Credential}
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", program, saying(ctx, err, &said))
	}
	return nil
}

// saying adds what a program said to how it ended.
func saying(ctx context.Context, err error, said *bytes.Buffer) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if text := strings.TrimSpace(said.String()); text != "" {
		return errors.Join(err, errors.New(text))
	}
	return err
}
