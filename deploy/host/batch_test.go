package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInterruptNobody runs itself in a process of its own: what it does to a process
// is for good.
func TestInterruptNobody(t *testing.T) {
	if os.Getenv("MARINA_TEST_BATCH") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInterruptNobody$")
		cmd.Env = append(os.Environ(), "MARINA_TEST_BATCH=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := InterruptNobody(); err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %v, %v; want several", threads, err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			t.Fatal(err)
		}
		if attr, err := unix.SchedGetAttr(id, 0); err != nil || attr.Policy != unix.SCHED_BATCH {
			t.Errorf("thread %d: %+v, %v", id, attr, err)
		}
	}
}
