package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Read reads an archive to its end and hands each part to keep, in the order in
// which they were written. What keep was given may only be trusted after Read has
// returned without an error: only the end of an archive shows that it is whole.
//
// Errors are ErrIdentity, ErrForeign, ErrNewer, ErrDamaged, those of r, and those
// of keep as they are.
func Read(r io.Reader, identities []age.Identity, keep func(p Part, data io.Reader) error) (Manifest, error) {
	source := &tracked{r: r}
	plain, err := age.Decrypt(source, identities...)
	if err != nil {
		return Manifest{}, source.why(opening(err))
	}
	z, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return Manifest{}, source.why(fmt.Errorf("%w (%w)", ErrDamaged, err))
	}
	defer z.Close()
	m, err := read(z, keep)
	var ours *keepError
	if errors.As(err, &ours) {
		return Manifest{}, ours.error
	}
	if err == nil {
		// age tells at its own end whether something was cut off or added.
		_, err = io.Copy(io.Discard, z)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, plain)
	}
	if err != nil {
		return Manifest{}, source.why(err)
	}
	return m, nil
}

func read(r io.Reader, keep func(Part, io.Reader) error) (m Manifest, err error) {
	t := tar.NewReader(r)
	h, err := readHeader(t)
	if err != nil {
		return m, err
	}
	var found []Part
	for {
		entry, err := t.Next()
		if err != nil {
			return m, err // also at the end: the manifest did not come
		}
		if entry.Name == manifestName {
			if err := decode(t, &m); err != nil {
				return m, err
			}
			if _, err := t.Next(); !errors.Is(err, io.EOF) {
				return m, fmt.Errorf("%w: something follows its end", ErrDamaged)
			}
			return m, m.check(h, found)
		}
		if entry.Typeflag != tar.TypeReg || !validName(entry.Name) {
			return m, fmt.Errorf("%w: %q is no part of a backup", ErrDamaged, entry.Name)
		}
		p := Part{Name: entry.Name, Size: entry.Size}
		sum := sha256.New()
		data := &tracked{r: io.TeeReader(t, sum)}
		if err := keep(p, data); err != nil {
			if data.err != nil {
				return m, data.err // keep stumbled over the archive
			}
			return m, &keepError{err}
		}
		if _, err := io.Copy(io.Discard, data); err != nil { // what keep did not want
			return m, err
		}
		p.SHA256 = hex.EncodeToString(sum.Sum(nil))
		found = append(found, p)
	}
}

func readHeader(t *tar.Reader) (h Header, err error) {
	first, err := t.Next()
	if err != nil {
		return h, err
	}
	if first.Name != headerName {
		return h, ErrForeign
	}
	if err := decode(t, &h); err != nil {
		return h, err
	}
	switch {
	case h.Format > Format:
		return h, fmt.Errorf("%w (it is of Marina %s, in format %d; this one reads up to %d)", ErrNewer, h.Marina, h.Format, Format)
	case h.Format < 1:
		return h, ErrForeign
	}
	return h, nil
}

func decode(r io.Reader, v any) error {
	data, err := io.ReadAll(io.LimitReader(r, maxJSON))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return nil
}

// opening says why age cannot open something.
func opening(err error) error {
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong):
		return ErrIdentity
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return fmt.Errorf("%w, or its first bytes are damaged (%w)", ErrForeign, err)
}

// keepError is the caller's own.
type keepError struct{ error }

// tracked remembers an error of a reader that is none about the data.
type tracked struct {
	r   io.Reader
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// why returns the reader's error, if there was one, else err as one of ours:
// whatever a decoder makes of bytes that are not as they were written, the
// archive is damaged.
func (t *tracked) why(err error) error {
	if t.err != nil {
		return fmt.Errorf("read the archive: %w", t.err)
	}
	for _, known := range []error{ErrIdentity, ErrDamaged, ErrNewer, ErrForeign} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w (%w)", ErrDamaged, err)
}
