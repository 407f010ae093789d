package podnet

import (
	"context"
	"testing"
	"time"
)

// testContext ends soon enough for a test that hangs to say so.
func testContext(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx, cancel
}
