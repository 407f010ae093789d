// Package runctest is for tests that run real containers: it finds runc and
// builds the program that runs inside.
package runctest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/marina-cloud/marina/internal/runc"
)

// New returns runc with a state directory of the test's own. When the test ends
// no container is left in it.
func New(t testing.TB) runc.Runc {
	t.Helper()
	r := runc.Runc{Binary: Binary(t), Root: t.TempDir()}
	t.Cleanup(func() { Clear(t, r) })
	return r
}

// Clear deletes all containers of r. It is for cleaning up, so it goes on after
// the test's context has ended.
func Clear(t testing.TB, r runc.Runc) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	ids, err := r.List(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		if err := r.Delete(ctx, id, true); err != nil {
			t.Error(err)
		}
	}
}

// Create makes a container of a bundle and does not start it: what is left by a
// program that was killed halfway through starting one.
func Create(t testing.TB, r runc.Runc, id, bundle string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), r.Binary, "--root", r.Root, "create", "--bundle", bundle, id)
	if err := cmd.Run(); err != nil {
		t.Fatalf("create container %s: %v", id, err)
	}
}

// Binary returns the path of the runc that `make build` made.
func Binary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(root(t), "bin", "runc")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return path
}

// Probe builds the static program of the folder probe and returns its path.
func Probe(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "probe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", out, "./internal/runc/runctest/probe")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, said)
	}
	return out
}

// root returns the module's directory: the parent of the folder internal that
// holds this file.
func root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		t.Fatal("this test was built with -trimpath, so that it cannot find the module's bin folder")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
