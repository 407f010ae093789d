//go:build integration

package pgtest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations/pgtest"
)

// victim is set in the process that TestNothingIsLeft kills.
const victim = "MARINA_PGTEST_VICTIM"

// TestVictim is that process; in any other it has nothing to show.
func TestVictim(t *testing.T) {
	if os.Getenv(victim) != "" {
		fmt.Println("dsn", pgtest.NewDSN(t))
		select {}
	}
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := pgx.Connect(t.Context(), pgtest.NewDSN(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
			t.Errorf("a fresh database is not empty: %v", err)
		}
	}
}

// TestNothingIsLeft kills a test process and waits until its server's files are
// gone, which the guardian removes after the server has ended.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$") //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		if dsn, ok := strings.CutPrefix(lines.Text(), "dsn host='"); ok {
			dir, _, _ = strings.Cut(dsn, "'")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	if dir == "" {
		t.Fatal("the other process made no database")
	}
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%s is still there", dir)
		case <-tick.C:
		}
	}
}
