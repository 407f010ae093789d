package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// InterruptNobody makes this process one that does not take the CPU from others when
// it wakes up (SCHED_BATCH, sched(7)); it gets its share all the same. A router that
// takes it carries every single write of a server at once, instead of what the server
// has written by the end of its turn: a large answer takes a tenth longer.
func InterruptNobody() error {
	// A thread that is made later is as the one that makes it. Twice, for those that
	// are made meanwhile.
	for range 2 {
		threads, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(filepath.Base(t))
			if err != nil {
				return fmt.Errorf("list own threads: %w", err)
			}
			attr, err := unix.SchedGetAttr(id, 0)
			if err == nil {
				attr.Policy = unix.SCHED_BATCH
				err = unix.SchedSetAttr(id, attr, 0)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return os.NewSyscallError("sched_setattr", err)
			}
		}
	}
	return nil
}
