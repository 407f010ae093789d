package alerts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

func read(t *testing.T) rules {
	t.Helper()
	data, err := os.ReadFile("marina.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r rules
	if err := yaml.UnmarshalStrict(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

const runbooks = "https://github.com/marina-cloud/marina/blob/main/deploy/runbooks/"

// TestAlerts holds that whoever is called knows why, and what to do.
func TestAlerts(t *testing.T) {
	t.Parallel()
	names, seen := map[string]bool{}, 0
	for _, g := range read(t).Groups {
		for _, r := range g.Rules {
			seen++
			if !strings.HasPrefix(r.Alert, "Marina") || names[r.Alert] {
				t.Errorf("%q: an alert's name begins with Marina, and is its own", r.Alert)
			}
			names[r.Alert] = true
			if s := r.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if d, err := time.ParseDuration(strings.Replace(r.For, "1d", "24h", 1)); err != nil || d < time.Minute {
				t.Errorf("%s: for %q: a moment calls nobody", r.Alert, r.For)
			}
			if r.Annotations["summary"] == "" || strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") || strings.Count(r.Expr, "{") != strings.Count(r.Expr, "}") {
				t.Errorf("%s: summary %q, expression %s", r.Alert, r.Annotations["summary"], r.Expr)
			}
			book, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbooks)
			if _, err := os.Stat(filepath.Join("../runbooks", book)); !ok || err != nil {
				t.Errorf("%s: runbook %q: %v", r.Alert, r.Annotations["runbook_url"], err)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d alerts were found", seen)
	}
}

var (
	expose = regexp.MustCompile(`"(marina_[a-z0-9_]+)"`)
	ask    = regexp.MustCompile(`\bmarina_[a-z0-9_]+`)
)

// exposed are the names of all metrics in the sources of the programs.
func exposed(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{"../../gateway", "../../internal", "../../migrations", "../../node-fleet", "../../tenant-controlplane", "../server"} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			src, err := os.ReadFile(path)
			for _, m := range expose.FindAllSubmatch(src, -1) {
				names = append(names, string(m[1]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestAlertsAskForWhatThereIs: a misspelled name would never call anybody. That the
// names are really shown by a running installation is for deploy/e2e.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	all := exposed(t)
	for _, g := range read(t).Groups {
		for _, r := range g.Rules {
			asked := ask.FindAllString(r.Expr, -1)
			if len(asked) == 0 && !strings.Contains(r.Expr, "up{") {
				t.Errorf("%s asks for none of Marina's metrics: %s", r.Alert, r.Expr)
			}
			for _, name := range asked {
				family := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
				if !slices.Contains(all, name) && !slices.Contains(all, family) {
					t.Errorf("%s asks for %s, which nothing shows", r.Alert, name)
				}
			}
		}
	}
}

// TestRunbooks holds that every runbook is reached: by an alert or from another text.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	books, err := filepath.Glob("../runbooks/*.md")
	if err != nil || len(books) < 10 {
		t.Fatalf("found %d runbooks, %v", len(books), err)
	}
	var text strings.Builder
	for _, f := range append(slices.Clone(books), "marina.yaml", "../../README.md", "../../ARCHITECTURE.md") {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(data)
	}
	for _, b := range books {
		if !strings.Contains(text.String(), filepath.Base(b)) {
			t.Errorf("nothing leads to %s", b)
		}
	}
}
