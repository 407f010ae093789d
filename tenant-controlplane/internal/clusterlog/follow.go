package clusterlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// pause is how late a line may be shown.
const pause = 300 * time.Millisecond

// follower passes on what is appended to a log.
type follower struct {
	format    format
	component controlplane.Component
	at        int64  // what is before it in the newest file was seen
	part      []byte // of a line whose end is not there yet
	skipping  bool   // the rest of a line that is too long
	ours      bool   // the record that is being written is of the component
}

// run follows o until ctx ends, the reader leaves, or the logs are gone.
func (f *follower) run(ctx context.Context, o *opened, w io.Writer) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		gone, err := f.look(o, w)
		if gone || err != nil {
			return err
		}
	}
}

// look passes on what is new. Gone says that nothing will come any more.
func (f *follower) look(o *opened, w io.Writer) (gone bool, err error) {
	if len(o.files) > 0 {
		if gone, err := f.drain(o.files[0], w); gone || err != nil {
			return gone, err
		}
	}
	next, err := regular(o.root, o.name)
	if errors.Is(err, fs.ErrNotExist) {
		// It is being rotated; or the directory itself was removed.
		_, err := os.Stat(o.root.Name())
		return errors.Is(err, fs.ErrNotExist), nil
	}
	if err != nil {
		return false, err
	}
	if len(o.files) > 0 && same(o.files[0], next) {
		return false, next.Close()
	}
	// Another file has the name now. What was written to the old one until it lost
	// the name comes first.
	if len(o.files) > 0 {
		if gone, err := f.drain(o.files[0], w); gone || err != nil {
			return gone, errors.Join(err, next.Close())
		}
	}
	for _, old := range o.files {
		err = errors.Join(err, old.Close())
	}
	o.files, f.at = []*os.File{next}, 0
	return false, err
}

func same(a, b *os.File) bool {
	x, err := a.Stat()
	y, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// drain passes on what was appended to a file.
func (f *follower) drain(from *os.File, w io.Writer) (gone bool, err error) {
	info, err := from.Stat()
	if err != nil {
		return false, fmt.Errorf("look at log: %w", err)
	}
	if info.Size() < f.at { // emptied, after its contents were copied
		f.at, f.part, f.skipping = 0, nil, false
	}
	data := make([]byte, block)
	for {
		n, err := from.ReadAt(data, f.at)
		f.at += int64(n)
		if lines := f.take(data[:n]); len(lines) > 0 {
			if _, err := w.Write(lines); err != nil {
				return true, nil // the reader left
			}
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read log: %w", err)
		}
	}
}

// take returns the whole lines of the component that data completes.
func (f *follower) take(data []byte) (lines []byte) {
	for {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !f.skipping {
			f.part = append(f.part, line...)
		}
		if !whole {
			if len(f.part) > maxLine {
				f.skipping = true
			}
			return lines
		}
		data = rest
		line, f.part, f.skipping = clip(f.part), nil, false
		if _, begins := f.format.begins(line, time.Now()); begins {
			f.ours = f.format.belongs(line, f.component)
		}
		if f.ours {
			lines = append(append(lines, line...), '\n')
		}
	}
}
