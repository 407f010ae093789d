package router

import (
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAffordable: however many connections are configured, those that are let in do not
// use up the open files.
func TestAffordable(t *testing.T) {
	t.Parallel()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{1, 1 << 40} { // the first is the control
		r, err := New(Config{Domain: "marina.test", Routes: t.TempDir(), Log: slog.New(slog.DiscardHandler), MaxConnections: most})
		if err != nil {
			t.Fatal(err)
		}
		n := r.counted.max
		if need := uint64(n)*filesPerConnection + filesBesides; n > most || need > max(limit.Cur, 2*filesBesides) {
			t.Errorf("%d connections are let in of %d configured: they may need %d files of %d", n, most, need, limit.Cur)
		}
		if n < 1 || most == 1 && n != 1 {
			t.Errorf("%d connections are let in of %d configured", n, most)
		}
	}
}
