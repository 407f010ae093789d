package progress_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/progress"
)

// TestLog: where nobody watches, a quick step is one line, with how it ended.
func TestLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := progress.New(&out)
	s := l.Begin("Cluster %s", "demo")
	s.Detail("waiting for etcd")
	s.Done("Cluster %s is running", "demo")
	l.Begin("Nodes").Failed()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "✓ Cluster demo is running  0.") || !strings.HasPrefix(lines[1], "✗ Nodes  0.") {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0s", 1340 * time.Millisecond: "1.3s", 59900 * time.Millisecond: "59.9s", 61 * time.Second: "1m01s", time.Hour: "60m00s",
	} {
		if got := progress.Seconds(d); got != want {
			t.Errorf("Seconds(%v) = %s, want %s", d, got, want)
		}
	}
}
