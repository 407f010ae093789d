//go:build integration

package crash_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"testing"
	"time"
)

// beginning matches the line by which a reconciler says that it begins a step.
var beginning = regexp.MustCompile(`"msg":"step begins".*"phase":"([a-z]+)".*"step":"([A-Za-z]+)"`)

// follow calls f for every step that begins from now on, until ctx ends: with the
// phase that the cluster, pool or node is in, and the step.
func follow(t *testing.T, ctx context.Context, log string, f func(step string)) (stop func()) {
	t.Helper()
	file, err := os.Open(log)
	check(t, err)
	_, err = file.Seek(0, io.SeekEnd)
	check(t, err)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer file.Close()
		lines := bufio.NewReader(file)
		var line string
		for ctx.Err() == nil {
			part, err := lines.ReadString('\n')
			line += part
			if errors.Is(err, io.EOF) {
				time.Sleep(time.Millisecond) // the file has no other way to say that it grew
				continue
			}
			if err != nil {
				t.Errorf("read the log: %v", err)
				return
			}
			if m := beginning.FindStringSubmatch(line); m != nil {
				f(m[1] + "/" + m[2])
			}
			line = ""
		}
	}()
	return func() { cancel(); <-done }
}
