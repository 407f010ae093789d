package route_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/route"
)

func TestUse(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "used")
	if at, err := route.LastUse(file); err != nil || !at.IsZero() {
		t.Errorf("before any use: %s, %v, want never", at, err)
	}
	for _, why := range []string{"the first time", "when it was noted before"} {
		if err := route.NoteUse(file); err != nil {
			t.Fatal(err)
		}
		at, err := route.LastUse(file)
		if err != nil || time.Since(at) > time.Minute {
			t.Errorf("%s: noted %s, %v", why, at, err)
		}
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(file, long, long); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUseOfWhatIsGone: a note must bring nothing of a deleted cluster back.
func TestUseOfWhatIsGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deleted")
	if err := route.NoteUse(filepath.Join(dir, "used")); err != nil {
		t.Errorf("error = %v, want none: the cluster was deleted meanwhile", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its directory is there again: %v", err)
	}
}
