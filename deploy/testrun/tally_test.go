package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why            string
		events         string
		passed, failed int
		says           string // somewhere in the output
	}{
		{
			why: "tests and subtests count",
			events: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":1}`,
			passed: 2, says: "2 tests",
		},
		{
			why: "a failure shows what the test wrote",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			failed: 1, says: "got 1, want 2",
		},
		{
			why: "a skipped test has shown nothing",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			failed: 1, says: "skipped",
		},
		{
			why: "a package that does not compile is one failure, with the compiler's words",
			events: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"x.go:1: undefined: y\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
			failed: 1, says: "undefined: y",
		},
		{
			why: "a process that died while a test ran is one failure",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}`,
			failed: 1, says: "panic: boom",
		},
		{
			why:    "a test without a result when everything has ended failed",
			events: `{"Action":"run","Package":"p","Test":"TestA"}`,
			failed: 1, says: "did not end",
		},
		{
			why:    "packages without tests count for nothing",
			events: `{"Action":"skip","Package":"p"}`,
		},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := runner{ctx: t.Context(), tally: newTally(&out)}
			r.events(strings.NewReader(c.events))
			r.tally.unfinished()
			ok := r.tally.summary()
			if r.tally.passed != c.passed || r.tally.failed != c.failed || ok != (c.failed == 0 && c.passed > 0) {
				t.Errorf("%d passed, %d failed, ok %t; want %d, %d", r.tally.passed, r.tally.failed, ok, c.passed, c.failed)
			}
			if !strings.Contains(out.String(), c.says) {
				t.Errorf("output does not say %q:\n%s", c.says, out.String())
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; !strings.HasSuffix(last, " failed") || strings.Count(out.String(), " passed, ") != 1 {
				t.Errorf("last line %q; want the one line of counts", last)
			}
		})
	}
}

func TestNestedModules(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, f := range []string{"go.mod", "main.go", "a/go.mod", "a/cmd/main.go", "tools/go.mod", "web/node_modules/x/go.mod", "web/node_modules/x/x.go"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := nestedModules(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(root, "a")}, got); diff != "" {
		t.Errorf("modules with sources (-want +got):\n%s", diff)
	}
}
