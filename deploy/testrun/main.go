// Command testrun runs the checks and tests of the repository and counts them.
//
//	go run ./deploy/testrun short   what needs neither root nor built files
//	go run ./deploy/testrun full    everything that must pass before a change is merged
//	go run ./deploy/testrun long    full, with the tests that take hours
//
// Tests that need root, built files or a server carry the build constraint
// "integration", those that take very long "long". A skipped test counts as
// failed: what cannot run here has not been shown to work.
//
// The last line on standard output is "N passed, N failed"; the exit status is 0
// only if nothing failed and something passed.
package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// endToEnd are the packages whose tests have the machine to themselves: they
// start clusters with nodes and measure how long things take.
var endToEnd = []string{"/deploy/e2e", "/deploy/bench"}

// moduleTags are the build tags without which a nested module does not compile;
// they are those of its artifact in deploy/build, so that the two share Go's cache.
var moduleTags = map[string]string{"deploy/vaultdev": "minimal"}

// What the tests of one package may take: several times what the slowest do, and so
// short that one that hangs says so before somebody gives the whole run up.
const (
	patience     = "20m"
	longPatience = "6h"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	mode := "full"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	r := runner{ctx: ctx, tally: newTally(os.Stdout)}
	switch mode {
	case "short":
		r.short()
	case "full":
		r.full("integration", patience)
	case "long":
		r.full("integration,long", longPatience)
	default:
		fmt.Fprintf(os.Stderr, "testrun: unknown mode %q; there are short, full and long\n", mode)
		os.Exit(2)
	}
	if ctx.Err() != nil {
		r.tally.fail("interrupted", "")
	}
	if !r.tally.summary() {
		stop()
		os.Exit(1)
	}
}

// runner runs the steps of a mode, in an order that shows cheap mistakes first.
type runner struct {
	ctx   context.Context
	tally *tally
}

func (r runner) short() {
	r.format()
	r.check("go vet", ".", nil, "go", "vet", "./...")
	r.goTest(".", nil, "-short", "./...")
}

func (r runner) full(tags, timeout string) {
	r.format()
	r.check("go vet", ".", nil, "go", "vet", "-tags="+tags, "./...")
	built := r.check("build", ".", nil, "go", "run", "./deploy/build", "--tests")
	if !built {
		return // nothing below can tell a mistake from a file that is not there
	}
	r.check("staticcheck", ".", nil, "bin/staticcheck", "-tags="+tags, "./...")

	// The nested modules share the build's cache: the same flags, no -race.
	env := []string{"CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOWORK=off"}
	modules, err := nestedModules(".")
	if err != nil {
		r.tally.fail("find the nested modules", err.Error())
	}
	for _, dir := range modules {
		tags := tags
		if extra := moduleTags[dir]; extra != "" {
			tags += "," + extra
		}
		r.check("go vet "+dir, dir, env, "go", "vet", "-tags="+tags, "./...")
		r.goTest(dir, env, "-tags="+tags, "-timeout="+timeout, "./...")
	}

	flags := []string{"-race", "-shuffle=on", "-tags=" + tags, "-timeout=" + timeout}
	shared, alone, err := r.packages(tags)
	if err != nil {
		r.tally.fail("list the packages", err.Error())
		return
	}
	r.goTest(".", nil, append(slices.Clone(flags), shared...)...)
	if len(alone) > 0 {
		r.goTest(".", nil, append(append(slices.Clone(flags), "-p=1"), alone...)...)
	}
}

// packages returns the packages of the root module: those that are tested side by
// side, and those that are tested one after the other.
func (r runner) packages(tags string) (shared, alone []string, err error) {
	out, err := r.output("go", "list", "-tags="+tags, "./...")
	if err != nil {
		return nil, nil, err
	}
	for _, pkg := range strings.Fields(out) {
		if slices.ContainsFunc(endToEnd, func(part string) bool { return strings.Contains(pkg+"/", part+"/") }) {
			alone = append(alone, pkg)
			continue
		}
		shared = append(shared, pkg)
	}
	return shared, alone, nil
}

// format fails for Go files that gofmt would change.
func (r runner) format() {
	var files []string
	err := walk(".", func(path string) {
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
	})
	if err != nil {
		r.tally.fail("gofmt", err.Error())
		return
	}
	out, err := r.output("gofmt", append([]string{"-l"}, files...)...)
	switch {
	case err != nil:
		r.tally.fail("gofmt", err.Error())
	case out != "":
		r.tally.fail("gofmt", "run make fmt; these files are not formatted:\n"+out)
	default:
		r.tally.pass("gofmt")
	}
}

// nestedModules returns the directories of the modules below root that have Go
// files of their own.
func nestedModules(root string) ([]string, error) {
	var mods, sources []string
	err := walk(root, func(path string) {
		switch {
		case filepath.Base(path) == "go.mod":
			mods = append(mods, filepath.Dir(path))
		case strings.HasSuffix(path, ".go"):
			sources = append(sources, path)
		}
	})
	mods = slices.DeleteFunc(mods, func(dir string) bool {
		return dir == root || !slices.ContainsFunc(sources, func(s string) bool { return strings.HasPrefix(s, dir+"/") })
	})
	return mods, err
}

// walk calls f for every file of the repository that is a source of ours.
func walk(root string, f func(path string)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "node_modules", ".git", "bin", "testdata":
				return filepath.SkipDir
			}
			return nil
		}
		f(path)
		return nil
	})
}
