package clusterlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Bounds of one look into the past.
const (
	maxRead = 64 << 20 // bytes that are looked at
	maxSent = 16 << 20 // bytes that are sent
	// maxRecord is how long a record of several lines is, in bytes: no more is kept
	// of lines that belong to none.
	maxRecord = 4 << 20
)

// Send writes what q asks for to w, whole lines at a time, and returns when that is
// done; with Follow, when ctx ends or the cluster's logs are gone.
func (d Dirs) Send(ctx context.Context, q controlplane.LogQuery, w io.Writer) (err error) {
	o, err := d.open(q.Component)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	f := &follower{format: formatOf(q.Component), component: q.Component}
	files := make([]file, len(o.files))
	for i, one := range o.files {
		end, err := whole(one)
		if err != nil {
			return err
		}
		files[i] = file{one, end}
	}
	if len(files) > 0 {
		f.at = files[0].end
	}
	past, ours, err := tail(files, f.format, q, time.Now())
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	if len(past) > 0 {
		if _, err := w.Write(past); err != nil {
			return nil // the reader left
		}
	}
	if !q.Follow || o.root == nil {
		return nil
	}
	f.ours = ours
	return f.run(ctx, &o, w)
}

// tail returns the newest lines of the past, and whether the last record of all is
// of the component.
func tail(files []file, f format, q controlplane.LogQuery, now time.Time) (text []byte, ours bool, err error) {
	if q.Tail == 0 {
		return nil, false, nil
	}
	lines := newBackward(files, maxRead)
	var picked, record [][]byte // both backwards
	size, long := 0, 0          // bytes of picked, and of record
	for first := true; len(picked) < q.Tail && size < maxSent; {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		record, long = append(record, bytes.Clone(line)), long+len(line)+1 // the block that it lies in is not kept
		at, begins := f.begins(line, now)
		if !begins {
			if len(record) > controlplane.MaxTail || long > maxRecord {
				record, long = nil, 0
			}
			continue
		}
		if !q.Since.IsZero() && !at.IsZero() && at.Before(q.Since) {
			break
		}
		belongs := f.belongs(line, q.Component)
		if first {
			ours, first = belongs, false
		}
		if belongs {
			size += long
			picked = append(picked, record...)
		}
		record, long = nil, 0
	}
	picked = picked[:min(len(picked), q.Tail)]
	var out bytes.Buffer
	for _, l := range slices.Backward(picked) {
		out.Write(l)
		out.WriteByte('\n')
	}
	return out.Bytes(), ours, nil
}
