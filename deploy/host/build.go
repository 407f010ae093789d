package host

import (
	"debug/elf"
	"fmt"
	"strings"
)

// Build tells the build of the program that a process runs from other builds, also
// after the file was replaced. It is empty for a program that was linked without.
func (p Process) Build() (string, error) { return buildOf(fmt.Sprintf("/proc/%d/exe", p.PID)) }

// OwnBuild is Build for this process.
func OwnBuild() (string, error) { return buildOf("/proc/self/exe") }

// buildOf reads the note that Go's linker leaves in a program: a hash of what it
// was built from and one of what was built. Before them stand three 32-bit numbers
// and the name "Go" (cmd/internal/buildid).
func buildOf(program string) (string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return "", fmt.Errorf("look at the program %s: %w", program, err)
	}
	defer f.Close()
	note := f.Section(".note.go.buildid")
	if note == nil {
		return "", nil
	}
	data, err := note.Data()
	if err != nil {
		return "", fmt.Errorf("look at the program %s: %w", program, err)
	}
	return strings.TrimRight(string(data[min(16, len(data)):]), "\x00"), nil
}
