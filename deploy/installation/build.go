package installation

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// OtherBuild writes a program that does the same as another one, but that takes
// itself for another build: for tests of upgrades.
func OtherBuild(program, to string) error {
	f, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("make another build of %s: %w", program, err)
	}
	defer f.Close()
	note := f.Section(".note.go.buildid")
	if note == nil {
		return fmt.Errorf("make another build of %s: it was linked without a build id", program)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("make another build of %s: %w", program, err)
	}
	data[note.Offset+16] ^= 1 // behind the note's head
	// Whoever this process starts while the file is open for writing has it open, too,
	// for a moment: then nobody may run it (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(to, data, 0o755)
}

// Upgrade has every command from here on, and the server from its next Start,
// come from another build of marina. Its files are put into dir.
func (i *Installation) Upgrade(dir string) error {
	bin := filepath.Dir(i.Marina)
	built, err := os.ReadDir(bin)
	if err != nil {
		return fmt.Errorf("make another build of marina: %w", err)
	}
	next := filepath.Join(dir, filepath.Base(i.Marina))
	for _, e := range built { // a program finds what is beside it
		if e.Name() == filepath.Base(next) {
			continue
		}
		if err := os.Symlink(filepath.Join(bin, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("make another build of marina: %w", err)
		}
	}
	if err := OtherBuild(i.Marina, next); err != nil {
		return err
	}
	i.Marina = next
	return nil
}
