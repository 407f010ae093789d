package runtime

import (
	"context"
	"path/filepath"
	"time"

	"github.com/marina-cloud/marina/internal/runc"
)

// A process keeps its newest log and logsKept older ones, of about logSize each.
const (
	logSize  = 10 << 20
	logsKept = 3
	// logPause is short enough that a process that writes all it can does not
	// fill a disk meanwhile.
	logPause = 5 * time.Second
)

// RotateLogs keeps the logs of all processes short until ctx ends.
func (o *OCI) RotateLogs(ctx context.Context) error {
	tick := time.NewTicker(logPause)
	defer tick.Stop()
	for {
		o.rotateOnce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *OCI) rotateOnce(ctx context.Context) {
	dirs, err := filepath.Glob(filepath.Join(o.bundles("*"), "*"))
	if err != nil {
		o.log.ErrorContext(ctx, "processes not listed", "error", err) // only a malformed pattern
		return
	}
	for _, dir := range dirs {
		r, ok, err := bundle{dir: dir}.read()
		if ok {
			_, err = runc.Rotate(r.Log, logSize, logsKept)
		}
		if err != nil {
			o.log.WarnContext(ctx, "log not rotated", "process", filepath.Base(dir), "error", err)
		}
	}
}
