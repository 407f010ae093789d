package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// artifact is one thing that the build makes: a directory in the cache, made by
// one recipe, and the names under which its files appear in bin/.
type artifact struct {
	name  string            // of the cache's directory and of --only
	hint  string            // how long it takes the first time, if that is minutes
	needs []string          // artifacts whose directories the recipe reads
	links map[string]string // name in bin/ → path in the directory
	real  []string          // names in bin/ that must be files, not links
	tree  map[string]string // path in the repository, ignored by git → path in the directory; copied
	tests bool              // only tests use it: built with --tests, and never shipped

	// inputs adds everything that the result depends on to the key, except for
	// the artifacts it needs.
	inputs func(context.Context, *cache.Key) error
	// make fills the directory out. What it writes to log is shown while it runs,
	// and the end of it when it fails.
	make func(ctx context.Context, out string, needs dirs, log io.Writer) error
}

// dirs are the directories of built artifacts by name.
type dirs map[string]string

// selectArtifacts returns the artifacts called names with all that they need, in
// the order of all, in which nothing comes before what it needs. No names means
// everything that Marina runs, and with tests also what only its tests use.
func selectArtifacts(all []artifact, names []string, tests bool) ([]artifact, error) {
	if len(names) == 0 {
		return slices.DeleteFunc(slices.Clone(all), func(a artifact) bool { return a.tests && !tests }), nil
	}
	byName := map[string]artifact{}
	var known []string
	for _, a := range all {
		byName[a.name] = a
		known = append(known, a.name)
	}
	wanted := map[string]bool{}
	var want func(name string) error
	want = func(name string) error {
		a, ok := byName[name]
		if !ok {
			return fmt.Errorf("there is no artifact %q; there are: %s", name, strings.Join(known, ", "))
		}
		wanted[name] = true
		for _, n := range a.needs {
			if err := want(n); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range names {
		if err := want(n); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(a artifact) bool { return !wanted[a.name] }), nil
}
