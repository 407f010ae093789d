package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
)

// unmount unmounts whatever an installation mounts, the deepest first: in its run
// directory, below the directories of its clusters and machines, and its network
// namespaces, whose files it removes. A disk that the operator mounted as the home
// or as a part of it stays.
func unmount(h home.Home) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	points, err := mountPoints(f)
	if err != nil {
		return err
	}
	for _, p := range ours(h, points) {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", p, err)
		}
	}
	left, err := filepath.Glob(h.NetworkNamespace() + "*")
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove network namespace: %w", err)
		}
	}
	return nil
}

// ours picks a home's own mount points, the deepest first.
func ours(h home.Home, points []string) []string {
	var found []string
	for _, p := range points {
		switch {
		case strings.HasPrefix(p, h.NetworkNamespace()),
			p == h.Run(),
			strings.HasPrefix(p, h.Run()+"/"),
			strings.HasPrefix(p, h.Machine("")+"/"),
			strings.HasPrefix(p, h.Tenant("")+"/"):
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return len(b) - len(a) })
	return found
}

// mountPoints reads where something is mounted; see proc_pid_mountinfo(5).
func mountPoints(mountinfo io.Reader) ([]string, error) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	s := bufio.NewScanner(mountinfo)
	s.Buffer(nil, 1<<20) // an overlay's options name all of its layers
	for s.Scan() {
		if fields := strings.Fields(s.Text()); len(fields) > 4 {
			points = append(points, unescape.Replace(fields[4]))
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return points, nil
}
