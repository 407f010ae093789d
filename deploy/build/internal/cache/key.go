package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Key collects everything that a built file depends on. Two keys are equal when
// the same things were added in the same order. The zero value is not ready: use
// NewKey.
type Key struct{ h hash.Hash }

// NewKey returns the key of an artifact without inputs.
func NewKey() *Key { return &Key{h: sha256.New()} }

// Text adds a named value, such as a flag or a version.
func (k *Key) Text(name, value string) {
	// Lengths keep ("a", "bc") apart from ("ab", "c").
	fmt.Fprintf(k.h, "%d:%s%d:%s", len(name), name, len(value), value)
}

// File adds a file's content under a name that does not depend on where the
// repository lies, and its executable bit.
func (k *Key) File(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("hash an input: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("hash an input: %w", err)
	}
	content := sha256.New()
	if _, err := io.Copy(content, f); err != nil {
		return fmt.Errorf("hash %s: %w", path, err)
	}
	k.Text(name, fmt.Sprintf("%x %t", content.Sum(nil), info.Mode()&0o100 != 0))
	return nil
}

// Files adds all files below the root of fsys, in lexical order.
func (k *Key) Files(name string, fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(fsys, path)
		if err != nil {
			return fmt.Errorf("hash %s: %w", path, err)
		}
		k.Text(filepath.Join(name, path), string(content))
		return nil
	})
}

// Sum is the key as 20 hexadecimal digits, fit for a file name.
func (k *Key) Sum() string { return hex.EncodeToString(k.h.Sum(nil)[:10]) }
