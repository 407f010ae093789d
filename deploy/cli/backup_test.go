package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackupCommands(t *testing.T) {
	t.Parallel()
	p := person{home: t.TempDir()}
	identity := filepath.Join(t.TempDir(), "identity")
	r := p.types(t, "", "backup", "keygen", identity)
	if r.status != 0 {
		t.Fatalf("keygen: %+v", r)
	}
	says(t, "keygen without an installation", r.out, "Keep it away", "--recipient age1")
	secret, err := os.ReadFile(identity)
	if err != nil || strings.Contains(r.out+r.errs, "AGE-SECRET-KEY") || !strings.Contains(string(secret), "AGE-SECRET-KEY") {
		t.Errorf("the secret key belongs into the file alone: %v", err)
	}
	if r := p.types(t, "", "backup", "keygen", identity); r.status != 1 {
		t.Errorf("keygen over an identity: %+v", r)
	}

	// In an installation, the public half is remembered.
	if err := os.WriteFile(filepath.Join(p.home, "marina.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r = p.types(t, "", "--json", "backup", "keygen", identity+"2")
	var made struct {
		Recipient  string
		Remembered bool
	}
	if err := json.Unmarshal([]byte(r.out), &made); err != nil || !made.Remembered {
		t.Errorf("keygen: %v, %+v", err, r)
	}
	if kept, err := os.ReadFile(filepath.Join(p.home, "backup-recipients")); err != nil || string(kept) != made.Recipient+"\n" {
		t.Errorf("remembered: %q, %v", kept, err)
	}

	dir := t.TempDir()
	if r := p.types(t, "", "--json", "backup", "list", dir); r.status != 0 || strings.TrimSpace(r.out) != "[]" {
		t.Errorf("list: %+v", r)
	}
	for _, c := range []struct {
		why, says string
		status    int
		args      []string
	}{
		{"nothing is written to nowhere", "--to is missing", 2, []string{"backup", "--keep", "3"}},
		{"a number of files cannot be negative", "--keep", 2, []string{"backup", "--to", dir, "--keep=-1"}},
		{"there are no such commands", "there is no command", 2, []string{"backup", "nwo"}},
		{"nobody can open it without", "--identity is missing", 2, []string{"restore", "file"}},
		{"the same", "--identity is missing", 2, []string{"backup", "verify", "file"}},
		{"a file that is none of ours", "read the identity", 1, []string{"backup", "verify", "file", "--identity", filepath.Join(p.home, "marina.lock")}},
	} {
		r := p.types(t, "", c.args...)
		if r.status != c.status || !strings.Contains(r.errs, c.says) {
			t.Errorf("%v: %+v; want status %d and %q: %s", c.args, r, c.status, c.says, c.why)
		}
	}
	if r := p.types(t, "", "backup"); r.status != 0 {
		t.Errorf("the help: %+v", r)
	}
}
