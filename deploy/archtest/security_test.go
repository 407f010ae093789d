package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage holds that each attack in deploy/runbooks/security.md has tests, and
// that they exist.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../runbooks/security.md")
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile(`^Test\w+$`)
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.TrimSpace(cells[0]) == "Attack" {
			continue
		}
		rows++
		named := 0
		for place := range strings.SplitSeq(cells[2], ";") {
			dir, names, ok := strings.Cut(strings.TrimSpace(place), "`: ")
			if !ok {
				t.Errorf("%s: %q names no tests: write `folder`: TestOne, TestTwo", strings.TrimSpace(cells[0]), place)
				continue
			}
			there := tests(t, filepath.Join("../..", strings.Trim(dir, "`")))
			for name := range strings.SplitSeq(names, ",") {
				name = strings.TrimSpace(name)
				if named++; !test.MatchString(name) || !strings.Contains(there, "func "+name+"(") {
					t.Errorf("%s: there is no %s in %s", strings.TrimSpace(cells[0]), name, dir)
				}
			}
		}
		if named == 0 {
			t.Errorf("%s: no test", strings.TrimSpace(cells[0]))
		}
	}
	if rows < 20 {
		t.Errorf("%d attacks: the page was not read right", rows)
	}
}

// tests returns the test files of a folder.
func tests(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
