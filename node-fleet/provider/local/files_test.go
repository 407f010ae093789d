package local

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMountPointsBelow(t *testing.T) {
	t.Parallel()
	const table = `22 27 0:21 / /proc rw - proc proc rw
40 27 254:0 /x /home/a rw shared:1 - ext4 /dev/vda rw
41 27 0:30 / /home/a/var/lib/with\040space rw - tmpfs tmpfs rw
42 27 0:31 / /home/ab rw - tmpfs tmpfs rw
43 41 0:32 / /home/a/var/lib/with\040space/b\134040 rw - tmpfs tmpfs rw
`
	want := []string{"/home/a", "/home/a/var/lib/with space", `/home/a/var/lib/with space/b\040`}
	if diff := cmp.Diff(want, mountPointsBelow(table, "/home/a")); diff != "" {
		t.Errorf("mount points (-want +got):\n%s", diff)
	}
}

func TestCopyTree(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	write := func(path, content string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(from, "dir", "file"), "new", 0o640)
	write(filepath.Join(from, "kept"), "new", 0o644)
	if err := os.Symlink("../run", filepath.Join(from, "run")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(from, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(from, "tmp"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(to, "kept"), "old", 0o644)
	for range 2 { // a second copy after an interrupted one
		if err := copyTree(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"dir/file": "new", "kept": "old"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if info, err := os.Stat(filepath.Join(to, "dir/file")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode of a file = %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(to, "tmp")); err != nil || info.Mode()&os.ModeSticky == 0 || info.Mode().Perm() != 0o777 {
		t.Errorf("mode of tmp = %v, %v", info.Mode(), err)
	}
	if link, err := os.Readlink(filepath.Join(to, "run")); err != nil || link != "../run" {
		t.Errorf("link = %q, %v", link, err)
	}
}
