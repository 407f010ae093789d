package seal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestFailuresAreBounded: a home with thousands of keys that do not open tells of it
// in a few lines.
func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]struct {
		lines int
		last  string
	}{1: {1, "key 1: "}, toldFailures: {toldFailures, "key 3: "}, 5000: {toldFailures + 1, "and 4997 more keys"}} {
		var f failures
		for i := range n {
			f.add(fmt.Errorf("key %d: %w", i+1, ErrMasterKey))
		}
		err := f.err()
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != want.lines || !strings.HasPrefix(lines[len(lines)-1], want.last) {
			t.Errorf("of %d failures: %q, want %d lines, the last about %q", n, lines, want.lines, want.last)
		}
		if !errors.Is(err, ErrMasterKey) {
			t.Errorf("of %d failures: the reason is lost", n)
		}
	}
	if err := (failures{}).err(); err != nil {
		t.Errorf("of none: %v", err)
	}
}
