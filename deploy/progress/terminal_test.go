package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestTerminal: a line that wraps could not be replaced, and the last word stays.
func TestTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := &Log{w: &out, now: func() time.Time { return now }, terminal: true, width: 40}
	s := l.Begin("Cluster demo")
	s.Detail("%s", strings.Repeat("waiting ", 20))
	s.Detail("a moment")
	s.Done("Cluster demo is running")
	lines := strings.Split(out.String(), "\r\x1b[K")
	for _, line := range lines {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n >= 40 {
			t.Errorf("a line of %d characters on a terminal of 40: %q", n, line)
		}
	}
	if !strings.Contains(out.String(), "· Cluster demo: a moment  0.0s") || lines[len(lines)-1] != "✓ Cluster demo is running  0.0s\n" {
		t.Errorf("drawn: %q", out.String())
	}
}
