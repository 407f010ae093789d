package host

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why     string
		files   []string
		refused string
	}{
		{why: "a directory that does not exist"},
		{why: "a new disk holds lost+found", files: []string{"lost+found/x"}},
		{why: "what an interrupted restoration left is replaced", files: []string{"marina.lock", "restoring", "postgres/half"}},
		{why: "it was interrupted at once", files: []string{"restoring"}},
		{why: "an installation is not overwritten", files: []string{"marina.lock", "postgres/x"}, refused: "holds an installation"},
		{why: "nor are somebody's files", files: []string{"thesis.tex"}, refused: "left alone"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			h := homeWith(t, c.files...)
			release, err := BeginRestore(h)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("BeginRestore: %v, want a refusal that says %q", err, c.refused)
				}
				if now := names(t, h.Dir); len(now) != len(c.files) {
					t.Errorf("of %v is left: %v", c.files, now)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			kept := slices.DeleteFunc(names(t, h.Dir), func(n string) bool { return n == "lost+found" })
			if !slices.Equal(kept, []string{"marina.lock", "restoring"}) {
				t.Errorf("a restoration begins with %v", kept)
			}
			if _, err := BeginRestore(h); err == nil || !strings.Contains(err.Error(), "another command") {
				t.Errorf("a second one at once: %v", err)
			}
			if err := Claim(h); err == nil || !strings.Contains(err.Error(), "marina restore") {
				t.Errorf("a server may start on a half restored home: %v", err)
			}
			if err := EndRestore(h); err != nil {
				t.Fatal(err)
			}
			if err := Claim(h); err != nil {
				t.Errorf("a restored home: %v", err)
			}
		})
	}
}

func TestGiveUpRestore(t *testing.T) {
	t.Parallel()
	h := homeWith(t)
	release, err := BeginRestore(h)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := os.MkdirAll(h.Path("postgres", "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := GiveUpRestore(h); err != nil {
		t.Fatal(err)
	}
	if left := names(t, h.Dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestRestoreAndUpAtOnce: one of them gets the directory, and the other leaves nothing
// in it.
func TestRestoreAndUpAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		h := homeWith(t)
		var up, restore error
		var both sync.WaitGroup
		both.Go(func() { up = Claim(h) })
		both.Go(func() {
			var release func()
			if release, restore = BeginRestore(h); restore == nil {
				release()
			}
		})
		both.Wait()
		if (up == nil) == (restore == nil) {
			t.Fatalf("up: %v, restore: %v; want that one is refused", up, restore)
		}
		if half := Whole(h); (half == nil) != (up == nil) {
			t.Fatalf("up: %v, restore: %v, and then: %v", up, restore, half)
		}
	}
}
