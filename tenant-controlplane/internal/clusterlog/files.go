package clusterlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Dirs are where the logs of one cluster are.
type Dirs struct {
	Processes string // stack.log and etcd.log, which nobody else can reach
	Audit     string // audit.log, in a directory that the tenant's stack writes to
}

// kept is how many older files of a process's log there are.
const kept = 3

// newest is the directory and name of the file that a component writes to.
func (d Dirs) newest(c controlplane.Component) (dir, name string) {
	switch c {
	case controlplane.Etcd:
		return d.Processes, "etcd.log"
	case controlplane.Audit:
		return d.Audit, "audit.log"
	}
	return d.Processes, "stack.log"
}

// opened are the files of a log.
type opened struct {
	root  *os.Root
	name  string
	files []*os.File // the newest first; none when nothing was written yet
}

// open opens the files of a component's log. Everything is below the directory: a
// link that leads out of it is not followed.
func (d Dirs) open(c controlplane.Component) (o opened, err error) {
	dir, name := d.newest(c)
	o.name = name
	if o.root, err = os.OpenRoot(dir); errors.Is(err, fs.ErrNotExist) {
		return o, nil // the cluster is too new
	}
	if err != nil {
		return o, fmt.Errorf("open directory of logs: %w", err)
	}
	older, err := o.older(c == controlplane.Audit)
	if err != nil {
		return o, errors.Join(err, o.close())
	}
	for _, name := range append([]string{name}, older...) {
		f, err := regular(o.root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // rotated away just now, or not written yet
		}
		if err != nil {
			return o, errors.Join(err, o.close())
		}
		o.files = append(o.files, f)
	}
	return o, nil
}

// older are the names of the files that were rotated away, the newest first. Audit
// logs have the time in their names, others a number.
func (o opened) older(dated bool) (names []string, err error) {
	if !dated {
		for n := range kept {
			names = append(names, o.name+"."+strconv.Itoa(n+1))
		}
		return names, nil
	}
	dir, err := o.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	defer dir.Close()
	entries, err := dir.Readdirnames(1000) // a tenant may make as many as it likes
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	base, ext, _ := strings.Cut(o.name, ".")
	for _, n := range entries {
		if strings.HasPrefix(n, base+"-") && strings.HasSuffix(n, "."+ext) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names[:min(len(names), 16)], nil
}

func (o opened) close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	if o.root != nil {
		errs = append(errs, o.root.Close())
	}
	return errors.Join(errs...)
}

var errIrregular = errors.New("the log is not a regular file")

// regular opens a file, and nothing that only looks like one: a pipe would hold the
// reader for ever.
func regular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, errIrregular
	}
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// whole is the offset behind the last whole line of a file.
func whole(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at log: %w", err)
	}
	size := info.Size()
	last := make([]byte, min(size, block))
	n, err := f.ReadAt(last, size-int64(len(last)))
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read log: %w", err)
	}
	if i := bytes.LastIndexByte(last[:n], '\n'); i >= 0 {
		return size - int64(len(last)) + int64(i) + 1, nil
	}
	return size, nil // one very long line
}
