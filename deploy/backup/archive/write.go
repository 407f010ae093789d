package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Writer writes an archive. It is not safe for concurrent use.
type Writer struct {
	header Header
	parts  []Part
	age    io.WriteCloser
	zstd   *zstd.Encoder
	tar    *tar.Writer
}

// NewWriter begins an archive on w that any of the recipients can read.
func NewWriter(w io.Writer, recipients []age.Recipient, marina string, created time.Time) (*Writer, error) {
	a := &Writer{header: Header{Format: Format, Marina: marina, Created: created.UTC().Truncate(time.Second)}}
	var err error
	if a.age, err = age.Encrypt(w, recipients...); err != nil {
		return nil, fmt.Errorf("begin archive: %w", err)
	}
	// One thread: a backup is not in a hurry, and other people's clusters run here.
	if a.zstd, err = zstd.NewWriter(a.age, zstd.WithEncoderConcurrency(1)); err != nil {
		return nil, fmt.Errorf("begin archive: %w", err)
	}
	a.tar = tar.NewWriter(a.zstd)
	data := encode(a.header)
	if err := a.entry(headerName, int64(len(data)), bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("begin archive: %w", err)
	}
	return a, nil
}

// Part adds size bytes of r under a name that was not used yet.
func (a *Writer) Part(name string, size int64, r io.Reader) error {
	if !validName(name) || (Manifest{Parts: a.parts}).Holds(name) {
		return fmt.Errorf("write archive: %q cannot be the name of a part", name)
	}
	h := sha256.New()
	if err := a.entry(name, size, io.TeeReader(r, h)); err != nil {
		return fmt.Errorf("write %s into the archive: %w", name, err)
	}
	a.parts = append(a.parts, Part{Name: name, Size: size, SHA256: hex.EncodeToString(h.Sum(nil))})
	return nil
}

// Close ends the archive with its manifest, of which it fills in the header and
// the parts. It does not close what lies below.
func (a *Writer) Close(m Manifest) (Manifest, error) {
	m.Header, m.Parts = a.header, a.parts
	data := encode(m)
	err := a.entry(manifestName, int64(len(data)), bytes.NewReader(data))
	if err = errors.Join(err, a.tar.Close(), a.zstd.Close(), a.age.Close()); err != nil {
		return m, fmt.Errorf("end archive: %w", err)
	}
	return m, nil
}

func (a *Writer) entry(name string, size int64, r io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: a.header.Created, Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(a.tar, r)
	if err == nil && n != size {
		err = fmt.Errorf("it ended after %d of %d bytes", n, size)
	}
	return err
}
