// Command build makes everything that Marina runs, from sources to bin/, with
// one command: go run ./deploy/build.
//
// Each artifact is built once for each set of inputs (sources, versions, flags,
// tools) and kept in the user's cache directory; bin/ holds links to what the
// present tree needs. When nothing changed this takes seconds. What it takes from
// the machine (compilers, libraries, tools of a node) it installs first. What only
// the tests need, such as a Vault server, is built with --tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// keepEntries is how many builds of an artifact stay in the cache besides those
// in use, so that going back to another branch is quick.
const keepEntries = 3

func main() {
	only := flag.String("only", "", "build only these `artifacts`, separated by commas, and what they need")
	tests := flag.Bool("tests", false, "build what only the tests use, too")
	list := flag.Bool("list", false, "print the names of the artifacts and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *tests, *list); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, tests, list bool) error {
	root, err := repository()
	if err != nil {
		return err
	}
	if list {
		for _, a := range catalogue(root, host{}) {
			fmt.Println(a.name)
		}
		return nil
	}
	p := newProgress(os.Stderr)
	if err := installMissing(ctx, p, tests); err != nil {
		return err
	}
	host, err := inspect(ctx)
	if err != nil {
		return err
	}
	store, err := cache.Open()
	if err != nil {
		return err
	}
	var names []string
	if only != "" {
		names = strings.Split(only, ",")
	}
	all := catalogue(root, host)
	chosen, err := selectArtifacts(all, names, tests)
	if err != nil {
		return err
	}
	b := builder{root: root, store: store, progress: p, keys: map[string]string{}, dirs: dirs{}}
	if err := b.build(ctx, chosen); err != nil {
		return err
	}
	if only == "" {
		if err := removeStale(filepath.Join(root, "bin"), store.Dir, binNames(all)); err != nil {
			return err
		}
	}
	for _, a := range chosen {
		if err := store.Prune(ctx, a.name, keepEntries); err != nil {
			return err
		}
	}
	return nil
}

// repository finds the root of the module from the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "deploy/build/main.go")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside of Marina's repository")
		}
	}
}

// builder makes artifacts one after the other: each uses all processors.
type builder struct {
	root     string
	store    cache.Cache
	progress *progress
	keys     map[string]string
	dirs     dirs
}

func (b *builder) build(ctx context.Context, artifacts []artifact) error {
	bin := filepath.Join(b.root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", bin, err)
	}
	// Before the first link, so that no other build prunes what it points to.
	if err := b.store.KeepFor(bin); err != nil {
		return err
	}
	if err := b.hashSources(ctx, artifacts); err != nil {
		return err
	}
	for _, a := range artifacts {
		if err := b.one(ctx, a); err != nil {
			return err
		}
		if err := publish(bin, b.dirs[a.name], a); err != nil {
			return err
		}
		for name, path := range a.tree {
			if err := recopy(filepath.Join(b.dirs[a.name], path), filepath.Join(b.root, name)); err != nil {
				return fmt.Errorf("update %s: %w", name, err)
			}
		}
	}
	return nil
}

// hashSources finds the keys of the artifacts that need no others, side by side:
// most of that time goes by in waiting for go list.
func (b *builder) hashSources(ctx context.Context, artifacts []artifact) error {
	s := b.progress.begin("sources", "reading", "")
	var mu sync.Mutex
	var all error
	var running sync.WaitGroup
	for _, a := range artifacts {
		if len(a.needs) > 0 {
			continue
		}
		running.Go(func() {
			sum, err := key(ctx, a, nil)
			mu.Lock()
			defer mu.Unlock()
			b.keys[a.name], all = sum, errors.Join(all, err)
		})
	}
	running.Wait()
	s.end("read", all)
	return all
}

func (b *builder) one(ctx context.Context, a artifact) error {
	if b.keys[a.name] == "" {
		sum, err := key(ctx, a, b.keys)
		if err != nil {
			return err
		}
		b.keys[a.name] = sum
	}
	sum := b.keys[a.name]
	b.dirs[a.name] = b.store.Entry(a.name, sum)
	if b.store.Has(a.name, sum) {
		b.progress.done(a.name, "cached")
		return nil
	}
	s := b.progress.begin(a.name, "building", a.hint)
	waiting := func() { s.say("waiting for another build of it") }
	built, err := b.store.Build(ctx, a.name, sum, waiting, func(dir string) error {
		s.say("building")
		return a.make(ctx, dir, b.dirs, s)
	})
	what := "built"
	if !built {
		what = "built by another"
	}
	s.end(what, err)
	if err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	return nil
}

// publish gives the files of an artifact, which lie in dir, their names in bin.
// Each name changes at once: a reader sees the old file or the new one.
func publish(bin, dir string, a artifact) error {
	isReal := map[string]bool{}
	for _, n := range a.real {
		isReal[n] = true
	}
	for name, path := range a.links {
		from, to := filepath.Join(dir, path), filepath.Join(bin, name)
		put := relink
		if isReal[name] {
			put = recopy
		}
		if err := put(from, to); err != nil {
			return fmt.Errorf("update bin/%s: %w", name, err)
		}
	}
	return nil
}

func relink(target, name string) error {
	if now, err := os.Readlink(name); err == nil && now == target {
		return nil
	}
	return replace(name, func(tmp string) error { return os.Symlink(target, tmp) })
}

// recopy makes name a copy of from. The time of modification tells whether it is one.
func recopy(from, name string) error {
	want, err := os.Stat(from)
	if err != nil {
		return err
	}
	if is, err := os.Lstat(name); err == nil && is.Mode() == want.Mode() && is.Size() == want.Size() && is.ModTime().Equal(want.ModTime()) {
		return nil
	}
	return replace(name, func(tmp string) error { return copyFile(from, tmp) })
}

func replace(name string, make func(tmp string) error) error {
	tmp := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := make(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// removeStale removes links into the cache from bin that no artifact has any more.
func removeStale(bin, cacheDir string, names map[string]bool) error {
	entries, err := os.ReadDir(bin)
	if err != nil {
		return fmt.Errorf("clean up bin: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(bin, e.Name())
		target, err := os.Readlink(path)
		if err != nil || names[e.Name()] || !strings.HasPrefix(target, cacheDir+"/") {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("clean up bin: %w", err)
		}
	}
	return nil
}
