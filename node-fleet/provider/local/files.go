package local

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/join"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// paths are where a machine's things are on the host.
type paths struct {
	disk string // outlives a reboot
	run  string // on a tmpfs
}

func pathsOf(h home.Home, node tenant.NodeID) paths {
	return paths{disk: h.Machine(node), run: filepath.Join(h.Run(), "m", string(node))}
}

func (p paths) etc() string       { return filepath.Join(p.disk, "etc") }
func (p paths) data() string      { return filepath.Join(p.disk, "var") }
func (p paths) bundle() string    { return filepath.Join(p.disk, "bundle") }
func (p paths) log() string       { return filepath.Join(p.disk, "agent.log") }
func (p paths) namespace() string { return filepath.Join(p.run, "net") }
func (p paths) init() string      { return filepath.Join(p.run, "init.json") }

// join is a directory that the machine sees as joinMount. The ticket is in a
// directory of its own, so that the machine can remove it, on a tmpfs, so that
// it never reaches a disk.
func (p paths) join() string   { return filepath.Join(p.run, "join") }
func (p paths) ticket() string { return filepath.Join(p.join(), ticketName) }

const (
	joinMount  = "/run/marina/join"
	ticketName = "ticket.json"
)

// prepare lays out a machine's directories. /etc is made anew from the node's
// root, as the agent configures the machine at each start; /var is kept.
func (p paths) prepare(nodeRoot string, spec provider.Spec, at place) error {
	for _, dir := range []string{p.disk, p.run, p.bundle(), p.join()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make directory of machine: %w", err)
		}
	}
	if err := os.RemoveAll(p.etc()); err != nil {
		return fmt.Errorf("remove old configuration of machine: %w", err)
	}
	for _, dir := range []string{"etc", "var"} {
		if err := copyTree(filepath.Join(nodeRoot, dir), filepath.Join(p.disk, dir)); err != nil {
			return fmt.Errorf("copy /%s of machine: %w", dir, err)
		}
	}
	id := sha256.Sum256([]byte(spec.Node))
	for name, content := range map[string]string{
		"hostname":   spec.Name + "\n",
		"machine-id": hex.EncodeToString(id[:16]) + "\n",
		"hosts":      fmt.Sprintf("127.0.0.1\tlocalhost\n::1\tlocalhost\n%s\t%s\n", at.address(), spec.Name),
		// Nothing answers there, which the firewall says at once; programs that
		// insist on a name server (CoreDNS does) start all the same.
		"resolv.conf": fmt.Sprintf("nameserver %s\n", at.gateway()),
	} {
		if err := writeFile(filepath.Join(p.etc(), name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// putTicket gives a ticket to the machine.
func (p paths) putTicket(t join.Ticket) error {
	text, err := json.Marshal(t)
	if err != nil {
		return errors.New("encode join ticket") // the cause could quote the token
	}
	return writeFile(p.ticket(), text, 0o600)
}

// remove removes all files of a machine, and mounts that were left in them.
func (p paths) remove() error {
	var errs []error
	for _, dir := range []string{p.run, p.disk} {
		if err := unmountBelow(dir); err != nil {
			errs = append(errs, err)
			continue // never remove through a mount
		}
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, fmt.Errorf("remove files of machine: %w", err))
		}
	}
	return errors.Join(errs...)
}

// unmountBelow unmounts what is mounted at or below dir in this mount namespace.
func unmountBelow(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	points := mountPointsBelow(string(table), dir)
	for _, point := range slices.Backward(points) { // the last mounted first
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return nil
}

// mountPointsBelow returns the mount points at or below dir, in the order of
// the table (proc_pid_mountinfo(5)).
func mountPointsBelow(table, dir string) []string {
	var points []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	return points
}

// unescape undoes the kernel's octal escapes of space, tab, newline, backslash.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// copyTree copies directories, files and symbolic links, keeping modes. What is
// at the target already stays.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			return os.Chmod(target, info.Mode().Perm()|info.Mode()&fs.ModeSticky)
		case d.Type() == fs.ModeSymlink:
			return copyLink(path, target)
		default:
			return copyFile(path, target, info.Mode().Perm())
		}
	})
}

func copyLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// writeFile replaces the file at path as a whole. Only one writes a file at a time;
// what somebody leaves who dies meanwhile is in the way of nobody.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	err := os.WriteFile(next, content, mode)
	if err == nil {
		err = os.Chmod(next, mode) // whatever it was, and whatever the umask is
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
