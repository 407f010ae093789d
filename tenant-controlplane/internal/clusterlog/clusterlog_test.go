package clusterlog_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/clusterlog"
)

func dirs(t *testing.T) clusterlog.Dirs {
	t.Helper()
	return clusterlog.Dirs{Processes: t.TempDir(), Audit: t.TempDir()}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
}

func klog(at time.Time, rest string) string {
	return fmt.Sprintf("I%s       1 %s\n", at.UTC().Format("0102 15:04:05.000000"), rest)
}

func read(t *testing.T, d clusterlog.Dirs, q controlplane.LogQuery) string {
	t.Helper()
	var out bytes.Buffer
	if err := d.Send(t.Context(), q, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestComponentsShareALog(t *testing.T) {
	t.Parallel()
	d, now := dirs(t), time.Now()
	api := klog(now.Add(-time.Hour), `httplog.go:1] "GET /api"`)
	panicked := klog(now.Add(-50*time.Minute), `wrap.go:58] "apiserver panic'd"`) + "goroutine 1:\nmain.go:7\n"
	kcm := klog(now.Add(-40*time.Minute), `garbagecollector.go:1] "Syncing" logger="kube-controller-manager.garbage-collector-controller" n=1`)
	plain := klog(now.Add(-30*time.Minute), `controllermanager.go:2] "Started" logger="kube-controller-manager"`)
	scheduler := klog(now.Add(-20*time.Minute), `schedule_one.go:1] "No node" logger="kube-scheduler" pod="a/b"`)
	last := klog(now.Add(-10*time.Minute), `handler.go:1] "a message that quotes logger=\"kube-scheduler\""`)
	write(t, filepath.Join(d.Processes, "stack.log.2"), api)
	write(t, filepath.Join(d.Processes, "stack.log.1"), panicked+kcm)
	write(t, filepath.Join(d.Processes, "stack.log"), plain+scheduler+last+"an unfinished li")
	for _, tt := range []struct {
		q    controlplane.LogQuery
		want string
		why  string
	}{
		{controlplane.LogQuery{Component: controlplane.APIServer, Tail: 100}, api + panicked + last, "what nobody signed is the API server's, with the lines that go on"},
		{controlplane.LogQuery{Component: controlplane.APIServer, Tail: 1}, last, "the newest"},
		{controlplane.LogQuery{Component: controlplane.APIServer, Tail: 3}, "goroutine 1:\nmain.go:7\n" + last, "lines are counted, not records"},
		{controlplane.LogQuery{Component: controlplane.APIServer, Tail: 100, Since: now.Add(-55 * time.Minute)}, panicked + last, "nothing older"},
		{controlplane.LogQuery{Component: controlplane.ControllerManager, Tail: 100}, kcm + plain, "signed, with the controller's name or without"},
		{controlplane.LogQuery{Component: controlplane.Scheduler, Tail: 100}, scheduler, "signed"},
		{controlplane.LogQuery{Component: controlplane.Scheduler, Tail: 0}, "", "nothing was asked for"},
		{controlplane.LogQuery{Component: controlplane.Etcd, Tail: 100}, "", "nothing was written"},
	} {
		if got := read(t, d, tt.q); got != tt.want {
			t.Errorf("%s, tail %d, since %v: %s\ngot:\n%s\nwant:\n%s", tt.q.Component, tt.q.Tail, tt.q.Since, tt.why, got, tt.want)
		}
	}
}

func TestAuditLogsAreRotatedByDate(t *testing.T) {
	t.Parallel()
	d := dirs(t)
	event := func(at string) string {
		return fmt.Sprintf("{\"kind\":\"Event\",\"stageTimestamp\":%q,\"verb\":\"get\"}\n", at)
	}
	older, old, newest := event("2026-11-26T10:00:00.5Z"), event("2026-11-26T11:00:00Z"), event("2026-11-26T12:00:00Z")
	write(t, filepath.Join(d.Audit, "audit-2026-11-26T10-30-00.000.log"), older)
	write(t, filepath.Join(d.Audit, "audit-2026-11-26T11-30-00.000.log"), old)
	write(t, filepath.Join(d.Audit, "audit.log"), newest)
	q := controlplane.LogQuery{Component: controlplane.Audit, Tail: 100}
	if got := read(t, d, q); got != older+old+newest {
		t.Errorf("got:\n%s", got)
	}
	q.Since = time.Date(2026, 11, 26, 10, 30, 0, 0, time.UTC)
	if got := read(t, d, q); got != old+newest {
		t.Errorf("since then:\n%s", got)
	}
}

func TestLongLogs(t *testing.T) {
	t.Parallel()
	d := dirs(t)
	var all strings.Builder
	for n := range 50_000 { // several blocks
		fmt.Fprintf(&all, "{\"level\":\"info\",\"ts\":\"2026-11-26T10:00:00Z\",\"n\":%d}\n", n)
	}
	write(t, filepath.Join(d.Processes, "etcd.log"), all.String())
	got := read(t, d, controlplane.LogQuery{Component: controlplane.Etcd, Tail: 9000})
	if want := all.String(); strings.Count(got, "\n") != 9000 || !strings.HasSuffix(want, got) {
		t.Errorf("the last 9000 lines are %d lines, and not the last", strings.Count(got, "\n"))
	}
	write(t, filepath.Join(d.Processes, "etcd.log"), strings.Repeat("x", 1<<20)+"\nend\n")
	got = read(t, d, controlplane.LogQuery{Component: controlplane.Etcd, Tail: 2})
	if len(got) > 70<<10 || !strings.HasSuffix(got, "…\nend\n") {
		t.Errorf("a line of 1 MiB is sent as %d bytes", len(got))
	}
}

// TestATenantsDirectoryIsNotTrusted: a tenant's API server, taken over, makes what
// it likes in the directory of audit logs. Root, which reads there, must not be led
// to another file, and not be held.
func TestATenantsDirectoryIsNotTrusted(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "master.key")
	write(t, secret, "the key\n")
	for name, attack := range map[string]func(path string) error{
		"link":          func(path string) error { return os.Symlink(secret, path) },
		"relative link": func(path string) error { return os.Symlink("../../"+filepath.Join("..", secret), path) },
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		for _, file := range []string{"audit.log", "audit-2026-11-26T10-30-00.000.log"} {
			t.Run(name+"/"+file, func(t *testing.T) {
				d := dirs(t)
				if err := attack(filepath.Join(d.Audit, file)); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var out bytes.Buffer
				err := d.Send(ctx, controlplane.LogQuery{Component: controlplane.Audit, Tail: 100}, &out)
				if err == nil || out.Len() > 0 || ctx.Err() != nil {
					t.Errorf("sent %q, error %v", &out, err)
				}
			})
		}
	}
}

// lines hands on what is written, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(p), nil
}

func TestFollow(t *testing.T) {
	t.Parallel()
	d := dirs(t)
	path := filepath.Join(d.Audit, "audit.log")
	write(t, path, "before 1\nbefore 2\n")
	ctx, cancel := context.WithCancel(t.Context())
	got, ended := make(lines, 100), make(chan error, 1)
	go func() {
		ended <- d.Send(ctx, controlplane.LogQuery{Component: controlplane.Audit, Tail: 1, Follow: true}, got)
	}()
	expect := func(want ...string) {
		t.Helper()
		for _, w := range want {
			select {
			case l := <-got:
				if l != w {
					t.Fatalf("line %q, want %q", l, w)
				}
			case err := <-ended:
				t.Fatalf("it ended: %v", err)
			case <-time.After(time.Minute):
				t.Fatalf("no line, want %q", w)
			}
		}
	}
	expect("before 2")
	write(t, path, "half of ")
	write(t, path, "a line\nand another\n")
	expect("half of a line", "and another")
	// Renamed, as audit logs are.
	write(t, path, "the last before\n")
	if err := os.Rename(path, filepath.Join(d.Audit, "audit-2026-11-26T10-30-00.000.log")); err != nil {
		t.Fatal(err)
	}
	write(t, path, "the first after\n")
	expect("the last before", "the first after")
	// Emptied in place, as other logs are.
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write(t, path, "again\n")
	expect("again")
	if err := os.RemoveAll(d.Audit); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended: // the cluster is gone
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it does not end with its cluster")
	}
	cancel()
}

func TestFollowEndsWithItsReader(t *testing.T) {
	t.Parallel()
	d := dirs(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- d.Send(ctx, controlplane.LogQuery{Component: controlplane.Etcd, Follow: true}, io.Discard)
	}()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
