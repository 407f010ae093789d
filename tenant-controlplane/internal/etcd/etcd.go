// Package etcd copies what a cluster's etcd keeps, and puts a copy in the place of
// one.
//
// A copy is what etcd calls a snapshot: its database at one revision, with a
// digest at the end. It is taken from a running etcd over its socket, without a
// pause for anybody; of one that does not run, its files are copied and etcd's own
// program makes a snapshot of those, with what was only in its log. Both hold
// every write that was acknowledged before.
package etcd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Copy is what is in a copy.
type Copy struct {
	Revision int64 `json:"revision"`
	Keys     int   `json:"keys"`
	Bytes    int64 `json:"bytes"`
}

// Source is an etcd that may or may not run.
type Source struct {
	Program string // marina-etcd
	Socket  string
	Dir     string // of its data
}

// ErrNothing says that there is no data at all.
var ErrNothing = errors.New("there is no data of an etcd")

// What may pass.
var (
	errBusy   = errors.New("etcd runs but does not answer") // somebody uses the data, and nobody is on the socket
	errBroken = errors.New("etcd broke off")
)

// patience is how long an etcd may neither answer nor be stopped, as while it
// starts, before its copy is given up.
const patience = time.Minute

// Take copies s to a new file. Scratch is the name of a directory that does not
// exist; it is used if need be, and gone afterwards. The revision is one that the
// copy holds; it may hold later ones. ErrNothing says that there is nothing.
func Take(ctx context.Context, s Source, file, scratch string) (revision int64, err error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		revision, err = take(ctx, waiting, s, file, scratch)
		if err == nil {
			return revision, nil
		}
		if e := os.Remove(file); e != nil && !errors.Is(e, fs.ErrNotExist) {
			return 0, fmt.Errorf("remove what there is of a copy: %w", e)
		}
		if !errors.Is(err, errBusy) && !errors.Is(err, errBroken) {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-waiting.Done():
			return 0, err
		case <-time.After(time.Second):
		}
	}
}

func take(ctx, waiting context.Context, s Source, file, scratch string) (int64, error) {
	revision, err := fromRunning(ctx, waiting, s.Socket, file)
	if err == nil || !errors.Is(err, errSilent) {
		return revision, err
	}
	// Nobody is there, unless it is starting or hangs.
	return fromStopped(ctx, s, file, scratch)
}

// Check looks at every page of a copy, and says what it holds.
func Check(ctx context.Context, program, file string) (Copy, error) {
	c, err := run(ctx, program, "check", "--file", file)
	if err != nil {
		return c, fmt.Errorf("check copy: %w", err)
	}
	return c, nil
}

// Restore makes the data directory of an etcd from a copy, for the user uid, in
// the place of whatever is there. Its revisions go on far behind those of the
// copy, so that none is ever given out twice.
func Restore(ctx context.Context, program, file, dir string, uid, gid int) (Copy, error) {
	if err := os.RemoveAll(dir); err != nil {
		return Copy{}, fmt.Errorf("make way for etcd's data: %w", err)
	}
	c, err := run(ctx, program, "restore", "--file", file, "--data-dir", dir)
	if err != nil {
		return c, fmt.Errorf("restore etcd's data: %w", err)
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		return c, fmt.Errorf("give etcd's data to its user: %w", err)
	}
	return c, nil
}

// run runs one of marina-etcd's commands on files.
func run(ctx context.Context, program string, args ...string) (c Copy, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, said bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = []string{}, "/", &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		return c, fmt.Errorf("%w: %s", err, gist(said.String()))
	}
	if err := json.Unmarshal(out.Bytes(), &c); err != nil {
		return c, fmt.Errorf("read what marina-etcd says: %w", err)
	}
	return c, nil
}

// gist is what a program said at its end: the cause of a panic, or the last line.
func gist(text string) string {
	var last string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}
