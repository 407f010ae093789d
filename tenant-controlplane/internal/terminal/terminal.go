package terminal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/netns"
	"github.com/marina-cloud/marina/internal/runc"
)

// Terminal is one that is open. Read and Write may run at the same time.
type Terminal struct {
	server *Server
	number int
	name   string
	dir    string

	init   runc.Init
	screen *os.File
	ln     net.Listener
	used   atomic.Int64 // when it was read or written last, Unix nanoseconds

	why    atomic.Pointer[fault.Error] // it ended, if that was not the shell or the person
	ending sync.Once
	done   chan struct{}
	err    error
}

// start makes the container and the way to its API server.
func (t *Terminal) start(ctx context.Context, o Options) error {
	uid := t.server.Home.TerminalUID(t.number)
	if err := t.prepare(uid, o.Kubeconfig); err != nil {
		return err
	}
	spec, err := specFor(t.server.Root, t.dir, t.server.cgroup(t.name), uid, o.Cluster)
	if err != nil {
		return err
	}
	if t.init, t.screen, err = t.server.Runc.RunTerminal(ctx, t.name, t.dir, spec); err != nil {
		return err
	}
	if err := t.Resize(o.Columns, o.Rows); err != nil {
		return err
	}
	t.ln, _, err = netns.Listen(ctx, fmt.Sprintf("/proc/%d/ns/net", t.init.PID), "127.0.0.1:6443")
	if err != nil {
		return err
	}
	if !t.init.Alive() { // or its number may be another process's by now
		return errors.New("the shell ended at once")
	}
	t.touch()
	go t.forward(o.Socket, o.From)
	go t.watch()
	return nil
}

// prepare writes the files that are this terminal's own. They are in memory: Run is
// on a tmpfs.
func (t *Terminal) prepare(uid int, kubeconfig []byte) error {
	credentials := filepath.Join(t.dir, credentialsDir)
	if err := os.MkdirAll(credentials, 0o700); err != nil {
		return fmt.Errorf("make the terminal's directory: %w", err)
	}
	id := strconv.Itoa(uid)
	for _, f := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{passwdFile, "me:x:" + id + ":" + id + "::/home/me:/usr/bin/bash\n", 0o644},
		{groupFile, "me:x:" + id + ":\n", 0o644},
		{filepath.Join(credentialsDir, "kubeconfig"), string(kubeconfig), 0o400},
	} {
		path := filepath.Join(t.dir, f.name)
		if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
			return fmt.Errorf("write the terminal's %s: %w", f.name, err)
		}
		if err := errors.Join(os.Chmod(path, f.mode), os.Chown(path, uid, uid)); err != nil {
			return fmt.Errorf("write the terminal's %s: %w", f.name, err)
		}
	}
	if err := os.Chown(credentials, uid, uid); err != nil {
		return fmt.Errorf("make the terminal's directory: %w", err)
	}
	return nil
}

// Read returns what the terminal shows. Its error is ErrIdle, ErrOver or ErrStop when
// the terminal was ended for that, and says nothing of use when the shell ended.
func (t *Terminal) Read(p []byte) (int, error) {
	n, err := t.screen.Read(p)
	if n > 0 {
		t.touch()
	}
	if why := t.why.Load(); err != nil && why != nil {
		return n, why
	}
	return n, err
}

// Write types.
func (t *Terminal) Write(p []byte) (int, error) {
	t.touch()
	return t.screen.Write(p)
}

// Resize changes the size, in characters; zero values are taken for the usual 80 by 24.
func (t *Terminal) Resize(columns, rows uint16) error {
	if columns == 0 || rows == 0 {
		columns, rows = 80, 24
	}
	conn, err := t.screen.SyscallConn()
	if err != nil {
		return fmt.Errorf("resize the terminal: %w", err)
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("resize the terminal: %w", err)
	}
	return nil
}

// Close ends the terminal and returns when nothing is left of it.
func (t *Terminal) Close() error {
	t.ending.Do(func() {
		t.err = t.remove(context.Background())
		close(t.done)
	})
	<-t.done
	return t.err
}

func (t *Terminal) remove(ctx context.Context) error {
	var errs []error
	if t.ln != nil {
		errs = append(errs, t.ln.Close())
	}
	if t.screen != nil {
		errs = append(errs, t.screen.Close())
	}
	errs = append(errs,
		t.server.Runc.Delete(ctx, t.name, true), runc.RemoveCgroup(ctx, t.server.cgroup(t.name)), os.RemoveAll(t.dir))
	err := errors.Join(errs...)
	if err != nil {
		return fmt.Errorf("close a terminal: %w", err) // its number stays taken: something of it may live
	}
	t.server.leave(t)
	return nil
}

func (t *Terminal) touch() { t.used.Store(time.Now().UnixNano()) }

// watch closes the terminal when its shell has ended or its time is over.
func (t *Terminal) watch() {
	ctx, cancel := context.WithTimeout(context.Background(), Longest)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = t.init.Wait(ctx) // an error is the end of the time
	}()
	tick := time.NewTicker(idle / 20)
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			return
		case <-ended:
			if ctx.Err() != nil {
				t.why.Store(ErrOver)
			}
		case <-tick.C:
			if time.Since(time.Unix(0, t.used.Load())) < idle {
				continue
			}
			t.why.Store(ErrIdle)
		}
		if err := t.Close(); err != nil {
			t.server.Log.Error("terminal not closed", "terminal", t.name, "error", err)
		}
		return
	}
}
