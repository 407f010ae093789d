package backup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/home"
)

func homeAt(t *testing.T, dir string) home.Home {
	t.Helper()
	h, err := home.At(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNames(t *testing.T) {
	t.Parallel()
	h, at := homeAt(t, "/srv/marina"), time.Date(2026, 11, 24, 8, 0, 1, 0, time.UTC)
	name := fileName(h, at)
	if home, when, ok := parseName(name); !ok || home != h.Name() || !when.Equal(at) {
		t.Errorf("%s was read as %s, %s, %t", name, home, when, ok)
	}
	if fileName(h, at.Add(time.Second)) < name {
		t.Error("names do not sort by age")
	}
	for _, foreign := range []string{"", "x", "marina-" + suffix, "marina-1-20261124T080001Z" + suffix, name + ".old", "." + name, strings.Replace(name, "T", "t", 1)} {
		if _, _, ok := parseName(foreign); ok {
			t.Errorf("%q is taken for a backup, and might be deleted", foreign)
		}
	}
}

func TestSurplus(t *testing.T) {
	t.Parallel()
	var all []Saved
	for i, h := range []string{"a", "b", "a", "a", "b", "a"} {
		all = append(all, Saved{File: string(rune('0' + i)), Home: h})
	}
	for _, tc := range []struct {
		keep int
		want string
		why  string
	}{
		{2, "0 2", "the oldest of this home go"},
		{4, "", "there are just as many"},
		{9, "", "there are fewer"},
	} {
		var files []string
		for _, s := range surplus(all, "a", tc.keep) {
			files = append(files, s.File)
		}
		if got := strings.Join(files, " "); got != tc.want {
			t.Errorf("keep %d: %q go, want %q: %s", tc.keep, got, tc.want, tc.why)
		}
	}
	if len(all) != 6 || all[1].Home != "b" {
		t.Error("the list was changed")
	}
}

func TestListLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	dir, h := t.TempDir(), homeAt(t, "/srv/marina")
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for _, name := range []string{fileName(h, at.Add(time.Hour)), fileName(h, at), "notes.txt", ".marina-" + h.Name() + ".partial"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, fileName(h, at.Add(-time.Hour)))); err != nil {
		t.Fatal(err)
	}
	all, err := List(dir)
	if err != nil || len(all) != 2 || !all[0].Created.Equal(at) || all[0].Bytes != 5 {
		t.Errorf("List = %+v, %v; want two backups, the oldest first", all, err)
	}
	removed, err := forget(target{file: filepath.Join(dir, "x")}, h, 1)
	if err != nil || !slices.Equal(removed, []string{filepath.Join(dir, fileName(h, at))}) {
		t.Errorf("removed %v, %v; want the older one", removed, err)
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := homeAt(t, filepath.Join(dir, "home"))
	for _, d := range []string{"home/sub", "backups"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(h.Dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	for _, tc := range []struct {
		why, to, want, refused string
	}{
		{why: "a directory gets a file", to: "backups", want: "backups/" + fileName(h, at)},
		{why: "a new file", to: "backups/x", want: "backups/x"},
		{why: "an older backup is not overwritten", to: "old", refused: "exists already"},
		{why: "a mistyped directory does not become a file", to: "mistyped/", refused: "no directory"},
		{why: "nor are directories made", to: "mistyped/x", refused: "no such file"},
		{why: "it would be lost with the home", to: "home", refused: "with which it would be lost"},
		{why: "the same, further down", to: "home/sub/x", refused: "with which it would be lost"},
		{why: "the same, by another name", to: "link/sub", refused: "with which it would be lost"},
	} {
		got, err := place(h, dir+"/"+tc.to, at)
		switch {
		case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
			t.Errorf("%s: %v, want a refusal that says %q: %s", tc.to, err, tc.refused, tc.why)
		case tc.refused == "" && (err != nil || got.file != filepath.Join(dir, tc.want)):
			t.Errorf("%s: %s, %v, want %s: %s", tc.to, got.file, err, tc.want, tc.why)
		}
	}
}
