package runc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/runc"
)

func TestRotate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs", "etcd.log")
	f, err := runc.OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The writer keeps its file over all rotations, as a container does.
	for round := range 5 {
		if _, err := fmt.Fprintf(f, "round %d %s\n", round, strings.Repeat("x", 100)); err != nil {
			t.Fatal(err)
		}
		rotated, err := runc.Rotate(path, 100, 3)
		if err != nil || !rotated {
			t.Fatalf("Rotate = %v, %v in round %d, want it done", rotated, err, round)
		}
	}
	if _, err := fmt.Fprintln(f, "the end"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"etcd.log": "the end", "etcd.log.1": "round 4", "etcd.log.2": "round 3", "etcd.log.3": "round 2"} {
		got, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s = %.20q, %v; want %q: rotation must shift the files and leave no hole", name, got, err, want)
		}
	}
	if _, err := os.Stat(path + ".4"); err == nil {
		t.Error("a fourth old file was kept")
	}
	if rotated, err := runc.Rotate(path, 100, 3); rotated || err != nil {
		t.Errorf("Rotate = %v, %v for a short log, want it left alone", rotated, err)
	}
	if rotated, err := runc.Rotate(path+"-absent", 50, 3); rotated || err != nil {
		t.Errorf("Rotate = %v, %v for an absent log, want it left alone", rotated, err)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int64]string{4: "two\n", 100: "one\ntwo\n", 0: ""} {
		if got := string(runc.Tail(path, n)); got != want {
			t.Errorf("Tail(%d) = %q, want %q", n, got, want)
		}
	}
	if got := runc.Tail(path+"-absent", 10); got != nil {
		t.Errorf("Tail of an absent log = %q, want nothing", got)
	}
}

func TestRotateOfAHugeHole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := runc.Rotate(path, 1<<10, 1); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != 2<<10 {
		t.Errorf("the old log holds %d bytes, %v; want twice the limit of a log with a hole of 1 TiB", info.Size(), err)
	}
}
