//go:build integration && long

package crash_test

import (
	"fmt"
	"testing"
)

// TestCrashEverywhere strikes every victim at every step, one in a life.
func TestCrashEverywhere(t *testing.T) {
	w := newWorld(t)
	for i, b := range w.blows(t) {
		t.Run(b.String(), func(t *testing.T) { w.struck(t, fmt.Sprintf("blow-%d", i), b) })
	}
}
