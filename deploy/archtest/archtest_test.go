package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/marina-cloud/marina/"

// pkg is a package as `go list` knows it.
type pkg struct {
	ImportPath   string
	Dir          string
	Doc          string
	Name         string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// path is the package's path in the tree.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "integration", "-json=ImportPath,Dir,Doc,Name,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	var all []pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// contexts are the bounded contexts; they meet only in deploy.
var contexts = []string{"gateway", "tenant-controlplane", "node-fleet", "billing", "web"}

// words are the packages of plain vocabulary that everybody may use.
var words = []string{"internal/tenant", "internal/fault", "internal/event"}

// roots may be imported across contexts: they are pure domain. The value is who may.
var roots = map[string][]string{
	"tenant-controlplane": {"gateway"},
	"node-fleet":          {"gateway"},
	"billing":             {"gateway"},
}

func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func contextOf(path string) string {
	for _, c := range contexts {
		if under(path, c) {
			return c
		}
	}
	return ""
}

// TestDirection: contexts do not know one another, and nothing knows deploy.
func TestDirection(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := contextOf(p.path())
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if !strings.HasPrefix(i, module) {
				continue
			}
			i = strings.TrimPrefix(i, module)
			to := contextOf(i)
			switch {
			case under(i, "deploy") && !under(p.path(), "deploy"):
				t.Errorf("%s imports %s: only deploy knows how things are put together", p.path(), i)
			case from != "" && to != "" && from != to && !slices.Contains(roots[i], from):
				t.Errorf("%s imports %s: contexts meet through events and through interfaces that deploy fills", p.path(), i)
			case under(p.path(), "internal") && to != "":
				t.Errorf("%s imports %s: shared packages know no context", p.path(), i)
			case under(p.path(), "migrations") && to != "":
				t.Errorf("%s imports %s: the database's package knows no context", p.path(), i)
			}
		}
	}
}

// TestDomainsArePure: the root package of a context imports the standard library
// and the shared words, and does no I/O.
func TestDomainsArePure(t *testing.T) {
	t.Parallel()
	impure := []string{"os", "os/exec", "net", "net/http", "database/sql", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "io/fs", "syscall"}
	seen := 0
	for _, p := range packages(t) {
		if p.path() != "tenant-controlplane" && p.path() != "node-fleet" && p.path() != "billing" {
			continue
		}
		seen++
		for _, i := range p.Imports {
			rest, ours := strings.CutPrefix(i, module)
			switch {
			case ours && !slices.Contains(words, rest):
				t.Errorf("%s imports %s: a domain imports only the shared words", p.path(), rest)
			case p.path() == "billing" && i == "github.com/cockroachdb/apd/v3": // exact decimals, which the library lacks
			case !ours && strings.Contains(strings.Split(i, "/")[0], "."):
				t.Errorf("%s imports %s: a domain imports only the standard library", p.path(), i)
			case slices.Contains(impure, i):
				t.Errorf("%s imports %s: a domain does no I/O and takes time and randomness as arguments", p.path(), i)
			}
		}
		for _, f := range p.GoFiles {
			src, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(src, []byte("time.Now(")) {
				t.Errorf("%s/%s asks for the time: a domain takes it as an argument", p.path(), f)
			}
		}
	}
	if seen < 3 {
		t.Errorf("found %d domains; the rule does not look where they are", seen)
	}
}

// TestMoneyIsExact: there is no floating point where money is counted.
func TestMoneyIsExact(t *testing.T) {
	t.Parallel()
	floating := regexp.MustCompile(`\bfloat(32|64)\b|\.Float64\(`)
	for _, p := range packages(t) {
		if !under(p.path(), "billing") {
			continue
		}
		for _, f := range p.GoFiles {
			src, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if found := floating.Find(src); found != nil {
				t.Errorf("%s/%s counts with %s: amounts are exact decimals", p.path(), f, found)
			}
		}
	}
}

// TestAgentIsSmall: what runs on every node depends on little.
func TestAgentIsSmall(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", "./deploy/cmd/marina-agent")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, heavy := range []string{"k8s.io/client-go", "k8s.io/api", "github.com/jackc/pgx", "github.com/nats-io", "github.com/spf13/cobra", module + "migrations", module + "node-fleet/fleetapp"} {
			if under(dep, heavy) {
				t.Errorf("marina-agent depends on %s", dep)
			}
		}
	}
}

// TestEveryPackageSaysWhatItIsFor: one package comment, which begins as godoc
// wants it.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + filepath.Base(p.Dir) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment begins with %.40q, want %q", p.path(), p.Doc, want)
		}
	}
}

// TestNoBagPackages: a package is named after its subject.
func TestNoBagPackages(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for elem := range strings.SplitSeq(p.path(), "/") {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "helper", "manager", "models", "types", "misc", "lib", "pkg"}, elem) {
				t.Errorf("%s: %q says nothing about what is inside", p.path(), elem)
			}
		}
	}
}

// TestTopLevel: the tree's first page holds what the design says and no more.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"gateway", "tenant-controlplane", "node-fleet", "billing", "web", "migrations", "deploy", "internal",
		"go.mod", "go.sum", "README.md", "ARCHITECTURE.md", "LICENSE", "Makefile", ".golangci.yml", ".ci", ".gitignore",
	}
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for f := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(f), "/")
		if !slices.Contains(allowed, top) {
			t.Errorf("%s is at the top level, which is fixed", top)
		}
	}
}

// TestNothingUnfinished: what is in the tree is finished, and tests do not skip.
func TestNothingUnfinished(t *testing.T) {
	t.Parallel()
	unfinished := regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}, "|") + `)\b|\.Skip` + `(f|Now)?\(`)
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range bytes.Split(src, []byte("\n")) {
				if unfinished.Match(line) {
					t.Errorf("%s/%s:%d: %s", p.path(), filepath.Base(f), i+1, bytes.TrimSpace(line))
				}
			}
		}
	}
}
