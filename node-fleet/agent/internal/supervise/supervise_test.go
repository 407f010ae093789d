package supervise_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/supervise"
)

// lines is an output that tells of each line.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	ch  chan string
}

func newLines() *lines { return &lines{ch: make(chan string, 100)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	for {
		line, err := l.buf.ReadString('\n')
		if err != nil {
			l.buf.WriteString(line)
			return len(p), nil
		}
		l.ch <- strings.TrimSpace(line)
	}
}

func (l *lines) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l.ch:
		return line
	case <-time.After(20 * time.Second):
		t.Fatal("the program said nothing")
		return ""
	}
}

var quick = supervise.Supervisor{Log: slog.New(slog.DiscardHandler), Pause: time.Millisecond, Limit: 8 * time.Millisecond}

// run supervises p until the test ends or stop is called, which waits for it.
func run(t *testing.T, s supervise.Supervisor, p supervise.Program) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, p)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func TestStartsAgain(t *testing.T) {
	t.Parallel()
	out := newLines()
	run(t, quick, supervise.Program{Name: "crash", Args: []string{"sh", "-c", "echo $$; exit 3"}, Output: out})
	seen := map[string]bool{}
	for range 4 {
		pid := out.next(t)
		if seen[pid] {
			t.Errorf("process %s came twice", pid)
		}
		seen[pid] = true
	}
}

func TestPauseGrows(t *testing.T) {
	t.Parallel()
	began := make(chan time.Time, 100)
	run(t, supervise.Supervisor{Log: quick.Log, Pause: 20 * time.Millisecond, Limit: 80 * time.Millisecond}, supervise.Program{
		Name: "never", Args: []string{"true"},
		Before: func(context.Context) error {
			began <- time.Now()
			return errors.New("not yet")
		},
	})
	var starts []time.Time
	for range 5 {
		starts = append(starts, <-began)
	}
	for i, least := range []time.Duration{20, 40, 80, 80} {
		if gap := starts[i+1].Sub(starts[i]); gap < least*time.Millisecond {
			t.Errorf("pause %d took %s, want at least %d ms", i, gap, least)
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, script string
		grace       time.Duration
		last        string
	}{
		{"a program that heeds SIGTERM ends by it", "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done", time.Minute, "bye"},
		{"one that does not is killed after its grace", "trap '' TERM; echo up; while :; do sleep 0.01; done", 50 * time.Millisecond, ""},
		{"one without grace is killed at once", "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done", 0, ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			out := newLines()
			stop := run(t, quick, supervise.Program{Name: "x", Args: []string{"sh", "-c", c.script}, Output: out, Grace: c.grace})
			if got := out.next(t); got != "up" {
				t.Fatalf("the program said %q", got)
			}
			stop()
			select {
			case got := <-out.ch:
				if got != c.last {
					t.Errorf("its last word was %q, want %q", got, c.last)
				}
			default:
				if c.last != "" {
					t.Errorf("it did not say %q", c.last)
				}
			}
		})
	}
}

func TestNoProcessIsLeft(t *testing.T) {
	t.Parallel()
	out := newLines()
	stop := run(t, quick, supervise.Program{Name: "x", Args: []string{"sh", "-c", "echo $$; exec sleep 1000"}, Output: out})
	pid, err := strconv.Atoi(out.next(t))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there, or a zombie: %v", pid, err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	out, again := newLines(), make(chan struct{}, 1)
	slow := supervise.Supervisor{Log: quick.Log, Pause: time.Hour}
	run(t, slow, supervise.Program{Name: "x", Args: []string{"sh", "-c", "echo $$; exec sleep 1000"}, Output: out, Restart: again})
	first := out.next(t)
	again <- struct{}{}
	if second := out.next(t); second == first {
		t.Error("the program did not start again")
	}
}

func TestBefore(t *testing.T) {
	t.Parallel()
	out, open := newLines(), make(chan struct{})
	run(t, quick, supervise.Program{
		Name: "x", Args: []string{"echo", "up"}, Output: out,
		Before: func(ctx context.Context) error {
			select {
			case <-open:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	select {
	case line := <-out.ch:
		t.Fatalf("the program started too early and said %q", line)
	default:
	}
	close(open)
	out.next(t)
}

// TestWhatIsLeftBehindDoesNotHoldUp starts a program that leaves a child with its
// output open, as containerd leaves its shims.
func TestWhatIsLeftBehindDoesNotHoldUp(t *testing.T) {
	t.Parallel()
	out := newLines()
	run(t, quick, supervise.Program{Name: "x", Args: []string{"sh", "-c", "sleep 1000 & echo $!"}, Output: out})
	for range 3 {
		pid, err := strconv.Atoi(out.next(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // one may be gone already
	}
}

func TestLogFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs", "x.log")
	l, err := supervise.OpenLog(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n", "dddddddd\n", "e\n"} {
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path: "e\n", path + ".1": "dddddddd\n", path + ".2": "cccccccc\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more old files than asked for")
	}

	again, err := supervise.OpenLog(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Write([]byte("f\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "e\nf\n" {
		t.Errorf("after opening again: %q, %v", got, err)
	}
}
