package reconcile

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Deaths notices the end of processes the moment it happens. It waits on pidfds in
// the poller of the Go runtime, so a process costs a goroutine and no thread.
//
// It only wakes: a death that it misses, such as that of a process which ended
// before it was watched, is seen at the next look.
type Deaths struct {
	// Wake is called after the end of a process of a cluster.
	Wake func(tenant.ClusterID)

	mu      sync.Mutex
	watched map[int]*os.File
	waiting sync.WaitGroup
	closed  bool
}

// Watch watches a process of a cluster from now on; once is enough.
func (d *Deaths) Watch(id tenant.ClusterID, pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.watched[pid] != nil {
		return
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return // it is gone already
	}
	if d.watched == nil {
		d.watched = make(map[int]*os.File)
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("pidfd:%d", pid))
	d.watched[pid] = f
	d.waiting.Go(func() {
		ended := wait(f)
		d.mu.Lock()
		delete(d.watched, pid)
		d.mu.Unlock()
		f.Close() //nolint:errcheck // it holds nothing
		if ended {
			d.Wake(id)
		}
	})
}

// Close stops watching, and waits until no Wake is under way.
func (d *Deaths) Close() {
	d.mu.Lock()
	d.closed = true
	for _, f := range d.watched {
		f.Close() //nolint:errcheck // it wakes the one who waits
	}
	d.mu.Unlock()
	d.waiting.Wait()
}

// wait returns true when the process behind a pidfd has ended, and false when the
// file was closed.
func wait(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	// A pidfd becomes readable when its process ends (pidfd_open(2)).
	err = conn.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n == 1
	})
	return err == nil
}
