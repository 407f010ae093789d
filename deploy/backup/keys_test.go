package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	h := homeAt(t, t.TempDir())
	if _, err := Recipients(h, nil, ""); !errors.Is(err, ErrNoRecipient) {
		t.Errorf("without any key: %v", err)
	}
	file := filepath.Join(t.TempDir(), "identity")
	recipient, err := NewIdentity(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity: %v, %v; want that only its owner reads it", info, err)
	}
	if _, err := NewIdentity(file, time.Now()); err == nil {
		t.Error("an identity was overwritten: all backups for it would be lost")
	}
	if ids, err := Identities(file); err != nil || len(ids) != 1 {
		t.Errorf("identities: %v, %v", ids, err)
	}

	for range 2 { // once is enough
		if err := Remember(h, recipient); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remember(h, strings.Replace(recipient, "age1", "# age1", 1)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		given []string
		file  string
		want  int
	}{
		"Remembered": {want: 1},
		"Given":      {given: []string{recipient}, want: 1},
		"Both":       {given: []string{recipient}, file: RecipientsFile(h), want: 2},
	} {
		if got, err := Recipients(h, tc.given, tc.file); err != nil || len(got) != tc.want {
			t.Errorf("%s: %d recipients, %v; want %d", name, len(got), err, tc.want)
		}
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	remembered, err := os.ReadFile(RecipientsFile(h))
	if err != nil || strings.Count(string(remembered), recipient) != 2 || strings.Contains(string(remembered), "SECRET") || !strings.Contains(string(secret), "AGE-SECRET-KEY-1") {
		t.Errorf("the home remembers %q, %v", remembered, err)
	}
	if _, err := Recipients(h, []string{"age1nonsense"}, ""); err == nil {
		t.Error("a mistyped key was accepted")
	}
	if _, err := Recipients(h, nil, filepath.Join(h.Dir, "absent")); err == nil || errors.Is(err, ErrNoRecipient) {
		t.Errorf("a file that is not there: %v", err)
	}
}
