package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/marina-cloud/marina/internal/home"
)

// lastFile's time is that of the last backup that lacks nothing.
func lastFile(h home.Home) string { return h.Path("last-backup") }

// noteLast remembers that a backup of h that lacks nothing was made just now.
func noteLast(h home.Home, file string) error {
	if err := os.WriteFile(lastFile(h), []byte(file+"\n"), 0o600); err != nil {
		return fmt.Errorf("note that a backup was made: %w", err)
	}
	return nil
}

// Last is when the last backup of h that lacks nothing was made; ok is false when
// none ever was.
func Last(h home.Home) (at time.Time, ok bool, err error) {
	info, err := os.Stat(lastFile(h))
	if errors.Is(err, fs.ErrNotExist) {
		return at, false, nil
	}
	if err != nil {
		return at, false, fmt.Errorf("look for the last backup: %w", err)
	}
	return info.ModTime(), true, nil
}
