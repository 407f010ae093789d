// Package netns opens listeners in network namespaces other than this process's.
package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen opens a listener in the network namespace at path, and says which one that
// was. A socket belongs for good to the namespace of the thread that makes it; who
// uses it later does not matter. The error is fs.ErrNotExist where there is no
// namespace at the path yet.
func Listen(ctx context.Context, path, address string) (ln *net.TCPListener, opened os.FileInfo, err error) {
	if _, err := os.Stat(path); err != nil { // no thread for what may be missing for days
		return nil, nil, fmt.Errorf("look for network namespace: %w", err)
	}
	done := make(chan struct{})
	go func() {
		// Never unlocked: with the goroutine its thread ends, too, so that nothing
		// else ever runs in that namespace.
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			defer close(done)
			ln, opened, err = enterAndListen(ctx, path, address)
			return
		}
		// The main thread cannot end, and /proc/PID/ns would show where it went.
		// While it is held here the next goroutine gets another one.
		defer runtime.UnlockOSThread()
		ln, opened, err = Listen(ctx, path, address)
		close(done)
	}()
	<-done
	return ln, opened, err
}

func enterAndListen(ctx context.Context, path, address string) (*net.TCPListener, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open network namespace: %w", err)
	}
	defer func() { _ = file.Close() }()
	opened, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("look at network namespace: %w", err)
	}
	switch err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); {
	case errors.Is(err, syscall.EINVAL):
		// Before the namespace is mounted on its path, an empty file is there.
		return nil, nil, fmt.Errorf("%s is no network namespace (yet): %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, nil, fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %s in network namespace %s: %w", address, path, err)
	}
	return ln.(*net.TCPListener), opened, nil
}
