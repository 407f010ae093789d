package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of `go test -json` (go doc test2json, go help buildjson).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// slow is the time in seconds from which a passed test is worth a line.
const slow = 5

// tally counts results and shows what a person wants to see of them: a line for
// each package, the output of what failed, and slow tests as they end.
type tally struct {
	w              io.Writer
	passed, failed int
	failures       []string

	running map[string]bool             // tests without a result
	output  map[string]*strings.Builder // of tests, packages and builds without a result
	tests   map[string]int              // results by package
	broken  map[string]bool             // packages with a failed test
}

func newTally(w io.Writer) *tally {
	return &tally{w: w, running: map[string]bool{}, output: map[string]*strings.Builder{}, tests: map[string]int{}, broken: map[string]bool{}}
}

func (t *tally) print(line string)    { fmt.Fprintln(t.w, line) }
func (t *tally) section(title string) { fmt.Fprintf(t.w, "== %s\n", title) }

func (t *tally) pass(string) { t.passed++ }

// fail counts a failure and shows why.
func (t *tally) fail(name, why string) {
	t.failed++
	t.failures = append(t.failures, name)
	t.print("FAIL " + name)
	for line := range strings.Lines(why) {
		t.print("    " + strings.TrimRight(line, "\n"))
	}
}

func (t *tally) add(e event) {
	id := e.Package
	if e.Test != "" {
		id += " " + e.Test
	}
	switch e.Action {
	case "run":
		t.running[id] = true
	case "output":
		t.keep(id, e.Output)
	case "build-output":
		t.keep(e.ImportPath, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(e)
		} else {
			t.endTest(id, e)
		}
	}
}

func (t *tally) endTest(id string, e event) {
	delete(t.running, id)
	t.tests[e.Package]++
	output := t.take(id)
	switch {
	case e.Action == "pass":
		t.passed++
		if e.Elapsed >= slow {
			t.print(fmt.Sprintf("  ok %s %s %.1fs", short(e.Package), e.Test, e.Elapsed))
		}
	case e.Action == "skip":
		t.broken[e.Package] = true
		t.fail(id, "skipped: a test that cannot run has to fail\n"+output)
	default:
		t.broken[e.Package] = true
		t.fail(id, output)
	}
}

func (t *tally) endPackage(e event) {
	output := t.take(e.Package)
	tests := t.tests[e.Package]
	switch {
	case e.Action == "fail" && e.FailedBuild != "":
		t.fail(e.Package+" does not compile", t.take(e.FailedBuild)+output)
	case e.Action == "fail" && !t.broken[e.Package]:
		// A panic, a timeout, a data race after the last test, os.Exit.
		t.fail(e.Package, output+t.unfinishedOf(e.Package))
	case e.Action == "pass":
		t.print(fmt.Sprintf("ok   %-60s %4d tests %7.1fs", short(e.Package), tests, e.Elapsed))
	}
	delete(t.broken, e.Package)
	delete(t.tests, e.Package)
}

// unfinishedOf takes the tests of a package that were running when it ended, and
// returns what they had written.
func (t *tally) unfinishedOf(pkg string) string {
	var output strings.Builder
	for _, id := range slices.Sorted(maps.Keys(t.running)) {
		if strings.HasPrefix(id, pkg+" ") {
			delete(t.running, id)
			output.WriteString(t.take(id))
		}
	}
	return output.String()
}

// unfinished counts tests that never had a result as failed.
func (t *tally) unfinished() {
	for _, id := range slices.Sorted(maps.Keys(t.running)) {
		t.fail(id+" did not end", t.take(id))
	}
	clear(t.running)
	clear(t.output)
}

func (t *tally) keep(id, output string) {
	if t.output[id] == nil {
		t.output[id] = &strings.Builder{}
	}
	t.output[id].WriteString(output)
}

func (t *tally) take(id string) string {
	b := t.output[id]
	delete(t.output, id)
	if b == nil {
		return ""
	}
	return b.String()
}

// summary writes the last line and reports whether all is well.
func (t *tally) summary() bool {
	for _, f := range t.failures {
		t.print("failed: " + f)
	}
	fmt.Fprintf(t.w, "%d passed, %d failed\n", t.passed, t.failed)
	return t.failed == 0 && t.passed > 0
}

// short leaves out what all packages of the repository begin with.
func short(pkg string) string { return strings.TrimPrefix(pkg, "github.com/marina-cloud/marina/") }
