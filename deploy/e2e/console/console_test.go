//go:build integration

package console_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/installation"
)

// root is the repository's, and pictures is where pictures of every page are left.
const (
	root     = "../../.."
	pictures = root + "/web/screenshots"
)

// TestConsole signs up, creates a cluster, gives it a node, and deletes it, in a
// browser. web/e2e/walk.mjs does the steps; each is a test here.
func TestConsole(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	i, err := installation.New(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := i.Start(ctx, false); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(pictures); err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(pictures)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", "e2e/walk.mjs", i.API, dir)
	operator, err := json.Marshal(map[string]string{"operator": i.Client.Token})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir, cmd.Stdin, cmd.Stderr = filepath.Join(root, "web"), bytes.NewReader(operator), os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it takes its browser along
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s struct{ Step, Error string }
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Errorf("the walk says %q: %v", lines.Text(), err)
			continue
		}
		steps++
		t.Run(s.Step, func(t *testing.T) {
			if s.Error != "" {
				t.Error(s.Error)
			}
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the walk ended: %v", err)
	}
	if steps < 60 && !t.Failed() {
		t.Errorf("the walk has %d steps: it did not come to its end", steps)
	}
}
