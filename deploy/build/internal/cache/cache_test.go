package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

func TestKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "main.go")
	// sum writes the file anew, so that only its content and mode can count.
	sum := func(t *testing.T, content string, mode os.FileMode, texts ...string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		k := cache.NewKey()
		for i := 0; i < len(texts); i += 2 {
			k.Text(texts[i], texts[i+1])
		}
		if err := k.File("main.go", file); err != nil {
			t.Fatal(err)
		}
		if err := k.Files("etc", fstest.MapFS{"hosts": {Data: []byte("localhost")}}); err != nil {
			t.Fatal(err)
		}
		return k.Sum()
	}
	base := sum(t, "package main", 0o644, "go", "go1.26.8", "flags", "-trimpath")
	for _, c := range []struct {
		why     string
		content string
		mode    os.FileMode
		texts   []string
		same    bool
	}{
		{"nothing changed: the build is found again", "package main", 0o644, []string{"go", "go1.26.8", "flags", "-trimpath"}, true},
		{"permissions of others say nothing about the content", "package main", 0o600, []string{"go", "go1.26.8", "flags", "-trimpath"}, true},
		{"a source changed", "package main\n", 0o644, []string{"go", "go1.26.8", "flags", "-trimpath"}, false},
		{"a file became executable", "package main", 0o755, []string{"go", "go1.26.8", "flags", "-trimpath"}, false},
		{"another Go", "package main", 0o644, []string{"go", "go1.26.9", "flags", "-trimpath"}, false},
		{"another flag", "package main", 0o644, []string{"go", "go1.26.8", "flags", "-trimpath -race"}, false},
		{"a value moved into the name before it", "package main", 0o644, []string{"gog", "o1.26.8", "flags", "-trimpath"}, false},
		{"an input went away", "package main", 0o644, []string{"go", "go1.26.8"}, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			if got := sum(t, c.content, c.mode, c.texts...); (got == base) != c.same {
				t.Errorf("key %s, before %s; want same: %t", got, base, c.same)
			}
		})
	}
}

func TestBuildOnce(t *testing.T) {
	t.Parallel()
	c := cache.Cache{Dir: t.TempDir()}
	build := func(dir string) error { return os.WriteFile(filepath.Join(dir, "out"), []byte("x"), 0o755) }
	for i, want := range []bool{true, false} {
		built, err := c.Build(t.Context(), "etcd", "k1", func() {}, build)
		if err != nil || built != want {
			t.Errorf("build %d: built %t, %v; want %t", i, built, err, want)
		}
	}
	if built, err := c.Build(t.Context(), "etcd", "k2", func() {}, build); err != nil || !built {
		t.Errorf("another key: built %t, %v; want a build", built, err)
	}
	if _, err := os.Stat(filepath.Join(c.Entry("etcd", "k1"), "out")); err != nil {
		t.Errorf("the first entry is gone: %v", err)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	c := cache.Cache{Dir: t.TempDir()}
	broken := errors.New("broken")
	_, err := c.Build(t.Context(), "etcd", "k1", func() {}, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("build: got %v; want the builder's error", err)
	}
	if c.Has("etcd", "k1") {
		t.Error("a failed build has an entry")
	}
	if left, _ := filepath.Glob(filepath.Join(c.Dir, "etcd", ".building-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRemainsOfAKilledBuildGo(t *testing.T) {
	t.Parallel()
	c := cache.Cache{Dir: t.TempDir()}
	remains := filepath.Join(c.Dir, "etcd", ".building-1234")
	if err := os.MkdirAll(remains, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Build(t.Context(), "etcd", "k1", func() {}, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(remains); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("remains: %v; want them gone", err)
	}
}

func TestTwoAtATimeBuildOnce(t *testing.T) {
	t.Parallel()
	c := cache.Cache{Dir: t.TempDir()}
	var builds, waits atomic.Int32
	waited := make(chan struct{})
	var once sync.Once
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			_, err := c.Build(t.Context(), "etcd", "k1", func() {
				waits.Add(1)
				once.Do(func() { close(waited) })
			}, func(string) error {
				builds.Add(1)
				<-waited // the other one must be seen waiting before this ends
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if builds.Load() != 1 || waits.Load() != 1 {
		t.Errorf("%d builds, %d waited; want one each", builds.Load(), waits.Load())
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	c := cache.Cache{Dir: t.TempDir()}
	for i, key := range []string{"oldest", "linked", "old", "new", "newest"} {
		if _, err := c.Build(t.Context(), "etcd", key, func() {}, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
		used := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		if err := os.Chtimes(c.Entry("etcd", key), used, used); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	if err := os.Symlink(filepath.Join(c.Entry("etcd", "linked"), "marina-etcd"), filepath.Join(bin, "marina-etcd")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // recording twice is not an error
		if err := c.KeepFor(bin); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.KeepFor(filepath.Join(bin, "a clone that was removed")); err != nil {
		t.Fatal(err)
	}
	if err := c.Prune(t.Context(), "etcd", 2); err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		key  string
		kept bool
		why  string
	}{
		{"newest", true, "it is one of the two newest"},
		{"new", true, "it is one of the two newest"},
		{"linked", true, "a bin directory points to it"},
		{"old", false, "nothing needs it"},
		{"oldest", false, "nothing needs it"},
	} {
		if _, err := os.Stat(c.Entry("etcd", e.key)); (err == nil) != e.kept {
			t.Errorf("%s: %v; want kept: %t, because %s", e.key, err, e.kept, e.why)
		}
	}
}
