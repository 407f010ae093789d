package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestMasterKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "master.key")
	if _, err := readMaster(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("readMaster = %v, want ErrNotExist", err)
	}
	if err := createMaster(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil || len(before) != keySize {
		t.Fatalf("the file holds %d bytes, %v; want %d", len(before), err, keySize)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode = %v, %v; want 0600", info.Mode(), err)
	}
	if err := createMaster(path); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("a second createMaster changed the key (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".master-*")); len(left) > 0 {
		t.Errorf("temporary files were left: %v", left)
	}
	if _, err := readMaster(path); err != nil {
		t.Error(err)
	}
}

func TestMasterKeyRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"GroupReadable": func(p string) error { return os.Chmod(p, 0o640) },
		"WorldReadable": func(p string) error { return os.Chmod(p, 0o604) },
		"Short":         func(p string) error { return os.Truncate(p, keySize-1) },
		"Long":          func(p string) error { return os.Truncate(p, keySize+1) },
		"Empty":         func(p string) error { return os.Truncate(p, 0) },
		"OtherOwner":    func(p string) error { return os.Chown(p, 12345, 0) },
		"Link":          func(p string) error { return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "master.key")
			if err := errors.Join(createMaster(path), spoil(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := readMaster(path); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}
