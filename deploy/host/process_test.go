package host

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/runc"
)

func TestRecordAndFind(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "marina.json")
	if _, ok, err := Find(file); ok || err != nil {
		t.Errorf("found %t, %v before anything was recorded", ok, err)
	}
	if err := Record(file, "http://localhost:8080"); err != nil {
		t.Fatal(err)
	}
	p, ok, err := Find(file)
	if err != nil || !ok || p.PID != os.Getpid() || p.Address != "http://localhost:8080" {
		t.Errorf("found %+v, %t, %v", p, ok, err)
	}
	own, err := OwnBuild()
	if err != nil {
		t.Fatal(err)
	}
	if build, err := p.Build(); err != nil || build != own {
		t.Errorf("build %q, %v, want %q", build, err, own)
	}
}

// TestANumberIsNoProcess: the kernel uses process ids again.
func TestANumberIsNoProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, content string
		wantErr      bool
	}{
		{"another process has the id now", marshal(t, Process{Init: runc.Init{PID: os.Getpid(), Start: 1}}), false},
		{"nobody has it", marshal(t, Process{Init: runc.Init{PID: 1 << 30, Start: 1}}), false},
		{"an empty record names nobody", "{}", false},
		{"a broken record is told, not taken for none", "{", true},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "marina.json")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, ok, err := Find(file); ok || (err != nil) != c.wantErr {
				t.Errorf("Find: %t, %v", ok, err)
			}
		})
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestLock(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "new", "marina.lock")
	release, err := Lock(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(file); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v, want ErrLocked", err)
	}
	release()
	release, err = Lock(file)
	if err != nil {
		t.Fatalf("lock after it was let go: %v", err)
	}
	release()
}

func TestBuildOfWhatIsNoProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := buildOf(file); err == nil {
		t.Error("a script has a build")
	}
}

func TestSpawnAppendsAndRotates(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "marina.log")
	for _, word := range []string{"one", "two"} {
		cmd, err := Spawn(log, "/bin/sh", "-c", "echo "+word+"; echo and >&2")
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, log); got != "one\nand\ntwo\nand\n" {
		t.Errorf("log: %q", got)
	}
	if err := os.Truncate(log, logLimit+1); err != nil {
		t.Fatal(err)
	}
	cmd, err := Spawn(log, "/bin/sh", "-c", "echo three")
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, log); got != "three\n" {
		t.Errorf("log after it grew: %d bytes", len(got))
	}
	if got := read(t, log+".1"); !strings.HasPrefix(got, "one\n") {
		t.Errorf("old log begins with %q", got[:min(20, len(got))])
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestStop: what does not end by itself is killed.
func TestStop(t *testing.T) {
	t.Parallel()
	for why, script := range map[string]string{
		"a polite process ends by itself": `echo ready; exec sleep 60`,
		"a stubborn one is killed":        `trap "" TERM; echo ready; exec sleep 60`,
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "log")
			cmd, err := Spawn(log, "/bin/sh", "-c", script)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			t.Cleanup(func() { _ = cmd.Process.Kill() }) // when the test failed
			for deadline := time.Now().Add(20 * time.Second); read(t, log) != "ready\n"; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the process does not start")
				}
			}
			init, err := runc.Find(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := Stop(ctx, Process{Init: init}, 300*time.Millisecond); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if init.Alive() {
				t.Error("the process still runs")
			}
			<-ended
			if err := Stop(ctx, Process{Init: init}, time.Second); err != nil {
				t.Errorf("Stop of what has ended: %v", err)
			}
		})
	}
}
