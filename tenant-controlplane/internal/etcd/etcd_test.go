package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDigested(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("page"), 300)
	sum := sha256.Sum256(data)
	good := append(bytes.Clone(data), sum[:]...)
	for _, step := range []int{1, 7, 31, 32, 33, 100, len(good)} {
		for _, tc := range []struct {
			why  string
			data []byte
			want bool
		}{
			{"all of it", good, true},
			{"the connection broke", good[:len(good)-1], false},
			{"only the digest is missing", data, false},
			{"something else", append([]byte("x"), good...), false},
			{"nothing", nil, false},
		} {
			var out bytes.Buffer
			d := digested{w: &out, sum: sha256.New(), fed: func() {}}
			for rest := tc.data; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := d.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if d.whole() != tc.want || !bytes.Equal(out.Bytes(), tc.data) {
				t.Errorf("%d bytes at a time: whole %t, want %t: %s", step, d.whole(), tc.want, tc.why)
			}
		}
	}
}

// data makes what looks like an etcd's directory.
func data(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"member/snap/db": "db", "member/wal/0.wal": "log"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copied(t *testing.T, dir string) (to string, err error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	to = filepath.Join(t.TempDir(), "to")
	return to, copyFiles(t.Context(), root, to)
}

func TestCopyFiles(t *testing.T) {
	t.Parallel()
	to, err := copied(t, data(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"member/snap/db": "db", "member/wal/0.wal": "log"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestCopyFilesFollowsNothing: whoever broke into a tenant's etcd may have put
// links there, which root must not follow.
func TestCopyFilesFollowsNothing(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"member/snap/db", "member/wal", "member/wal/0.wal"} {
		dir := data(t)
		target := secret
		if name == "member/wal" {
			target = filepath.Dir(secret)
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, name)), os.Symlink(target, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
		to, err := copied(t, dir)
		if err == nil && name != "member/wal/0.wal" { // that one is left out
			t.Errorf("%s leads out, and was copied", name)
		}
		_ = filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if got, _ := os.ReadFile(path); bytes.Contains(got, []byte("of the host")) {
					t.Errorf("%s: a file of the host was copied to %s", name, path)
				}
			}
			return nil
		})
	}
}

func TestTakeWithoutEtcd(t *testing.T) {
	t.Parallel()
	busy := data(t)
	db, err := os.OpenFile(filepath.Join(busy, database), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })                               // after the parallel cases
	if err := unix.Flock(int(db.Fd()), unix.LOCK_EX); err != nil { // as etcd does
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		why, dir string
		want     error
	}{
		"Absent":   {"it was never started", filepath.Join(t.TempDir(), "absent"), ErrNothing},
		"Empty":    {"its directory was made, and nothing else yet", t.TempDir(), ErrNothing},
		"Starting": {"its files change while it runs, so they are not copied", busy, errBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := Source{Program: "/nonexistent", Socket: filepath.Join(dir, "absent.sock"), Dir: tc.dir}
			waiting, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := take(t.Context(), waiting, s, filepath.Join(dir, "file"), filepath.Join(dir, "scratch"))
			if !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v: %s", err, tc.want, tc.why)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestGist(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"": "",
		"{\"level\":\"warn\"}\nmarina-etcd: no\n":                                "marina-etcd: no",
		"log\npanic: crc mismatch\n\ngoroutine 1 [running]:\nmain.go:37 +0xb5\n": "panic: crc mismatch",
	} {
		if got := gist(said); got != want {
			t.Errorf("of %q remains %q, want %q", said, got, want)
		}
	}
}
