package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
)

// EnsureNamespace makes the home's network namespace, with its loopback up, when
// it is not there: everything that listens for machines needs it, too. It may be
// called by several processes at a time.
func EnsureNamespace(h home.Home) error {
	unlock, err := lockFile(filepath.Join(h.Run(), "network.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	path := h.NetworkNamespace()
	if isNamespace(path) {
		return nil
	}
	if err := newNamespace(path); err != nil {
		return err
	}
	return within(path, linkUp("lo"))
}

// newNamespace makes a network namespace that lasts until it is unmounted from
// the file path, as ip-netns(8) does.
func newNamespace(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	file.Close()
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		return fmt.Errorf("make network namespace %s: %w", path, err)
	}
	return nil
}

// removeNamespace removes what newNamespace made; it is no error that it is gone.
func removeNamespace(path string) error {
	for isNamespace(path) { // a crash may have left one mount above another
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount network namespace %s: %w", path, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace: %w", err)
	}
	return nil
}

// isNamespace reports whether a namespace is mounted at path.
func isNamespace(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && s.Type == unix.NSFS_MAGIC
}

// within calls f in the network namespace at path. Programs that f starts are in
// it, too. The mount namespace stays, other than with "ip netns exec".
func within(path string, f func() error) error {
	return onThread(func() error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open network namespace %s: %w", path, err)
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", path, err)
		}
		return f()
	})
}

// onThread calls f on a thread of its own, which ends afterwards: a thread whose
// namespace was changed must not run anything else.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // a goroutine that ends locked takes its thread along
		result <- f()
	}()
	return <-result
}
