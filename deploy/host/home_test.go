package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/home"
)

// homeWith returns a home whose directory holds these files.
func homeWith(t *testing.T, files ...string) home.Home {
	t.Helper()
	h, err := home.At(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(h.Path(f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.Path(f), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestClaim(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why     string
		files   []string
		refused bool
	}{
		{why: "a directory that does not exist becomes a home"},
		{why: "a log-in may be remembered before there is an installation", files: []string{"login.json"}},
		{why: "a new disk holds lost+found", files: []string{"lost+found/x"}},
		{why: "an installation is found again", files: []string{"marina.lock", "postgres/data", "whatever"}},
		{why: "somebody's files would be deleted by down --purge", files: []string{"thesis.tex"}, refused: true},
		{why: "files that look like an installation's are none without the mark", files: []string{"postgres/data"}, refused: true},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			h := homeWith(t, c.files...)
			err := Claim(h)
			if refused := err != nil; refused != c.refused {
				t.Fatalf("Claim: %v, want it refused: %t", err, c.refused)
			}
			claimed, err := isClaimed(h)
			if err != nil || claimed == c.refused {
				t.Errorf("claimed %t, %v", claimed, err)
			}
			if !c.refused {
				if err := Claim(h); err != nil {
					t.Errorf("Claim again: %v", err)
				}
			}
		})
	}
}

func TestADownOfAForeignDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	h := homeWith(t, "thesis.tex")
	_, err := Down(t.Context(), h, "/nonexistent", true, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("Down: %v", err)
	}
	if _, err := os.Stat(h.Path("thesis.tex")); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	h := homeWith(t, "marina.lock", "postgres/base/1", "login.json")
	if err := purge(h); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.Dir); !os.IsNotExist(err) {
		t.Errorf("the home is still there: %v", err)
	}
	if err := purge(h); err != nil {
		t.Errorf("purge of nothing: %v", err)
	}
}

// TestPurgeCanBeDoneAgain: what marks a home goes last.
func TestPurgeCanBeDoneAgain(t *testing.T) {
	t.Parallel()
	h := homeWith(t, "marina.lock", "zzz/last")
	outside := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, h.Path("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.Path("zzz", "last")); err != nil { // as if interrupted in the middle
		t.Fatal(err)
	}
	if err := refuseForeign(h); err != nil {
		t.Errorf("half a purge makes it foreign: %v", err)
	}
	if err := purge(h); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("purge followed a link out of the home: %v", err)
	}
}

func TestPurgeLeavesADisk(t *testing.T) {
	t.Parallel()
	h := homeWith(t, "marina.lock", "lost+found/x", "data")
	if err := purge(h); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(h.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != "lost+found" {
		t.Errorf("left: %v, %v", left, err)
	}
}
