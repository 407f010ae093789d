//go:build integration

package initd_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/initd"
)

// The test program is its own machine: as process 1 of a process namespace it
// runs Run, and below that the program that the test wants.
func TestMain(m *testing.M) {
	switch role := os.Getenv("INITD_ROLE"); {
	case role == "":
		os.Exit(m.Run())
	case os.Getpid() == 1:
		if err := initd.Run(slog.New(slog.NewTextHandler(os.Stdout, nil)), os.Args[:1]); err != nil {
			fmt.Println("init:", err)
			os.Exit(1)
		}
		fmt.Println("init: ended")
	case role == "heeds":
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		fmt.Println("program: up")
		<-ended
		fmt.Println("program: bye")
	case role == "dies":
		fmt.Println("program: up")
		os.Exit(3)
	case role == "orphans":
		// Three children whose parent does not wait for them, and then ends.
		if err := exec.Command("sh", "-c", "for i in 1 2 3; do sh -c 'exit 0' & done; exec true").Run(); err != nil {
			fmt.Println("program:", err)
		}
		reportZombies()
	}
}

// reportZombies waits until no zombie is left in the process namespace.
func reportZombies() {
	for range time.Tick(5 * time.Millisecond) { // until it is killed
		if countZombies() == 0 {
			fmt.Println("program: no zombies")
		}
	}
}

func countZombies() (n int) {
	for pid := 2; pid < 100; pid++ {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && strings.Contains(string(stat), ") Z ") {
			n++
		}
	}
	return n
}

// machine starts this program as process 1 of a machine.
func machine(t *testing.T, role string) (cmd *exec.Cmd, next func() string) {
	t.Helper()
	// The shell gives the namespace a /proc of its own, and becomes process 1.
	cmd = exec.CommandContext(t.Context(), "sh", "-c", `mount --make-rprivate / && mount -t proc proc /proc && exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "INITD_ROLE="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended where the test waited for that
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	return cmd, func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the machine ended")
		}
		return lines.Text()
	}
}

func TestTermination(t *testing.T) {
	t.Parallel()
	cmd, next := machine(t, "heeds")
	if got := next(); got != "program: up" {
		t.Fatal(got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"program: bye", "init: ended"} {
		if got := next(); got != want {
			t.Errorf("line = %q, want %q", got, want)
		}
	}
}

func TestStartsAgain(t *testing.T) {
	t.Parallel()
	_, next := machine(t, "dies")
	for range 2 {
		if got := next(); got != "program: up" {
			t.Errorf("line = %q", got)
		}
		if got := next(); !strings.Contains(got, "exit status 3") {
			t.Errorf("line = %q, want it to tell the status", got)
		}
	}
}

func TestReaps(t *testing.T) {
	t.Parallel()
	_, next := machine(t, "orphans")
	if got := next(); got != "program: no zombies" {
		t.Errorf("line = %q", got)
	}
}
