package pgserver

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestBinDir(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		why       string
		installed []string
		made      string // PG_VERSION of the data; empty for none
		want      string
		err       string
	}{
		"Newest":       {"a new database gets the newest version", []string{"9", "15", "17"}, "", "17/bin", ""},
		"ItsOwn":       {"Postgres cannot read data of another major version", []string{"15", "17"}, "15\n", "15/bin", ""},
		"Gone":         {"an upgrade of the system may have removed it", []string{"17"}, "15\n", "", "apt-get install postgresql-15"},
		"None":         {"the message says what to type", nil, "", "", "apt-get install postgresql"},
		"NoneWithData": {"the message says which one", nil, "15\n", "", "apt-get install postgresql-15"},
		"Broken":       {"a broken file is not taken for a new database", []string{"15"}, "abc", "", "no version"},
		"Strange":      {"other directories may lie there", []string{"15", "common"}, "", "15/bin", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, data := t.TempDir(), t.TempDir()
			for _, v := range tc.installed {
				write(t, filepath.Join(root, v, "bin", "postgres"), "")
			}
			if tc.made != "" {
				write(t, filepath.Join(data, "PG_VERSION"), tc.made)
			}
			got, err := binDir(root, data)
			if tc.err == "" && (err != nil || got != filepath.Join(root, tc.want)) {
				t.Errorf("binDir = %q, %v; want %q: %s", got, err, tc.want, tc.why)
			}
			if tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error = %v, want it to say %q: %s", err, tc.err, tc.why)
			}
		})
	}
}

func TestPassable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shut")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := &syscall.Credential{Uid: 4_000_000, Gid: 4_000_000}
	if err := passable(dir, stranger); err == nil || !strings.Contains(err.Error(), "chmod a+x "+dir) {
		t.Errorf("error = %v, want what to do about %s", err, dir)
	}
	if err := passable("/", stranger); err != nil {
		t.Errorf("the root directory: %v", err)
	}
	if err := passable(dir, nil); err != nil {
		t.Errorf("one's own directory: %v", err)
	}
}

func TestDSNQuotes(t *testing.T) {
	t.Parallel()
	if got, want := DSN(`/a b/it's\`, "marina"), `host='/a b/it\'s\\' port=5432 user=marina dbname=marina sslmode=disable`; got != want {
		t.Errorf("DSN = %s, want %s", got, want)
	}
}

func TestOpenLogRotates(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "log")
	write(t, name, strings.Repeat("x", logLimit+1))
	f, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	now, err1 := os.Stat(name)
	old, err2 := os.Stat(name + ".1")
	if err1 != nil || err2 != nil || now.Size() != 0 || old.Size() != logLimit+1 {
		t.Errorf("%v %v, %v %v: want the big log moved away", now, err1, old, err2)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
