package runc_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/runc"
)

func start(t *testing.T, args ...string) (*exec.Cmd, runc.Init) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // both fail when the test has waited already
	init, err := runc.Find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, init
}

// soon bounds a wait for what must happen.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestInit(t *testing.T) {
	t.Parallel()
	cmd, init := start(t, "sleep", "1000")
	if !init.Alive() {
		t.Fatal("a running process is not alive")
	}
	recycled := runc.Init{PID: init.PID, Start: init.Start + 1}
	if recycled.Alive() {
		t.Error("a process of the same id that started at another time was taken for it")
	}
	if err := recycled.Signal(unix.SIGKILL); err != nil || !init.Alive() {
		t.Errorf("a signal for a process that is gone: %v; alive = %v, want it swallowed", err, init.Alive())
	}
	if _, err := recycled.Wait(soon(t)); err != nil {
		t.Errorf("Wait for a process that is gone: %v, want it to return at once", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := init.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want the context's error", err)
	}

	if err := init.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := init.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	if init.Alive() {
		t.Error("a zombie counts as alive")
	}
	_ = cmd.Wait() // its error is the signal
	if _, err := runc.Find(init.PID); !errors.Is(err, runc.ErrNotFound) {
		t.Errorf("Find = %v, want ErrNotFound", err)
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"Code":   {[]string{"sh", "-c", "read line; exit 3"}, "exit status 3"},
		"Signal": {[]string{"sh", "-c", "read line; kill -9 $$"}, "killed by SIGKILL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := exec.CommandContext(t.Context(), tc.args[0], tc.args[1:]...)
			cmd.Stdin = r
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			init, err := runc.Find(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan runc.Exit, 1)
			go func() {
				exit, err := init.Wait(soon(t))
				if err != nil {
					t.Error(err)
				}
				got <- exit
			}()
			w.Close() // sh reads to the end and goes on
			exit := <-got
			_ = cmd.Wait() // reaped after Wait has seen the end; its error is the exit status
			// Before it is reaped the kernel does not tell; afterwards it does.
			if exit.Known && exit.String() != tc.want {
				t.Errorf("exit = %q, want %q", exit, tc.want)
			}
		})
	}
}
