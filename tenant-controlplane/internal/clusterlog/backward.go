package clusterlog

import (
	"bytes"
	"errors"
	"io"
)

const (
	block = 64 << 10
	// maxLine is what is kept of one line, in bytes.
	maxLine = 64 << 10
)

// backward reads the lines of files from the last to the first.
type backward struct {
	files []file // the newest first
	at    int64  // what is before it in files[0] has not been read
	tail  []byte // what was read and not returned: the end of a line, before whole ones
	left  int64  // how many bytes may still be read
}

// file is one log, of which what lies before end is read: later lines are for
// whoever follows.
type file struct {
	io.ReaderAt
	end int64
}

func newBackward(files []file, limit int64) *backward {
	b := &backward{files: files, left: limit}
	if len(files) > 0 {
		b.at = files[0].end
	}
	return b
}

// next returns the line before the last one that was returned, without its end. It
// returns io.EOF when there is none, or when enough was read.
func (b *backward) next() ([]byte, error) {
	for {
		body := bytes.TrimSuffix(b.tail, []byte("\n"))
		if i := bytes.LastIndexByte(body, '\n'); i >= 0 {
			line := body[i+1:]
			b.tail = b.tail[:i+1]
			return clip(line), nil
		}
		if b.at == 0 || b.left <= 0 {
			if len(body) > 0 && b.left > 0 {
				line := body
				b.tail = nil
				return clip(line), nil
			}
			if len(b.files) < 2 || b.left <= 0 {
				return nil, io.EOF
			}
			b.files, b.tail = b.files[1:], nil
			b.at = b.files[0].end
			continue
		}
		if err := b.read(); err != nil {
			return nil, err
		}
	}
}

// read puts the block before the tail in front of it. Of a line without an end only
// the beginning is kept, which is what is read last.
func (b *backward) read() error {
	n := min(block, b.at)
	data := make([]byte, n, n+int64(len(b.tail)))
	got, err := b.files[0].ReadAt(data, b.at-n)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	data = data[:got] // shorter when the file was emptied meanwhile
	b.at -= n
	b.left -= n
	if len(b.tail) > maxLine {
		b.tail = b.tail[:maxLine]
	}
	b.tail = append(data, b.tail...)
	return nil
}

// clip shortens a line to what is kept of it.
func clip(line []byte) []byte {
	if len(line) > maxLine {
		return append(line[:maxLine:maxLine], "…"...)
	}
	return line
}
