package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KeepInMemory makes sure that a directory lies on a tmpfs, as /run does on an
// ordinary host: unsealed keys are put there, and must reach no disk.
func KeepInMemory(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return nil
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0711,size=512m"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s, which is on a disk: %w", dir, err)
	}
	return nil
}
