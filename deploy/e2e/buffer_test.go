//go:build integration

package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// syncBuffer may be read while a process writes into it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// kubectlName returns a path that ends in kubectl, by which the multi-call binary
// knows what it is.
func kubectlName(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kubectl")
	if err := os.Symlink(marina.Kubectl, name); err != nil {
		t.Fatal(err)
	}
	return name
}
