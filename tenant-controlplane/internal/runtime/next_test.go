package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

func TestNext(t *testing.T) {
	t.Parallel()
	p := reconcile.Process{Name: "etcd"}
	begun := time.Unix(1_000, 0)
	run := func(hash string, ended bool, life time.Duration, restarts int) record {
		return record{Hash: hash, StartedAt: begun, Ended: ended, ExitedAt: begun.Add(life), Exit: "why", Restarts: restarts}
	}
	for name, tc := range map[string]struct {
		why      string
		before   record
		restarts int
		past     bool // whether the last exit is remembered
	}{
		"First":       {"it has never run", record{}, 0, false},
		"AfterDeath":  {"it died and is started again", run(p.Hash(), true, time.Minute, 0), 1, true},
		"AndAgain":    {"each time counts", run(p.Hash(), true, time.Second, 4), 5, true},
		"AfterQuiet":  {"ten quiet minutes make up for what was before", run(p.Hash(), true, 10*time.Minute, 4), 1, true},
		"HalfStarted": {"a start that was cut off is not a death", run(p.Hash(), false, 0, 2), 2, true},
		"Another":     {"another process is not to blame", run("other", true, time.Second, 4), 0, false},
	} {
		got := next(tc.before, p)
		if got.Restarts != tc.restarts || (got.Exit != "") != tc.past || got.ExitedAt.IsZero() == tc.past || got.Ended || got.Hash != p.Hash() {
			t.Errorf("%s: next = %+v, want %d restarts: %s", name, got, tc.restarts, tc.why)
		}
	}
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("first\nlast \x1b[31m words\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := lastWords(record{Log: log}, 0); !strings.HasSuffix(got, `"last \x1b[31m words"`) {
		t.Errorf("lastWords = %s, want the last line with nothing in it that a terminal obeys", got)
	}
	if got := lastWords(record{Log: log, Memory: 64 << 20}, 1); !strings.Contains(got, "64 MiB") {
		t.Errorf("lastWords = %s, want the limit", got)
	}
	if got := lastWords(record{Log: log + "-absent"}, 0); got != "it ended" {
		t.Errorf("lastWords = %s without a log", got)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	var l locks
	counts := map[string]int{}
	var mu sync.Mutex // of the map alone
	var all sync.WaitGroup
	for i := range 100 {
		name := string(rune('a' + i%3))
		all.Go(func() {
			defer l.lock(name)()
			mu.Lock()
			n := counts[name]
			mu.Unlock()
			mu.Lock() // without the lock of this name, another one gets in between
			counts[name] = n + 1
			mu.Unlock()
		})
	}
	all.Wait()
	if counts["a"]+counts["b"]+counts["c"] != 100 {
		t.Errorf("counts = %v, want 100 in all", counts)
	}
	if len(l.held) != 0 {
		t.Errorf("%d locks are left that nobody holds", len(l.held))
	}
}
