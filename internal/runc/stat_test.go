package runc

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	rest := " 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31415 0 0"
	for name, tc := range map[string]struct {
		why, stat string
		want      uint64
		err       error
	}{
		"Running": {"field 22 is the start time", "12 (etcd) S" + rest, 31415, nil},
		"Name":    {"a program may put anything into its name", "12 (a) Z 9 (b)) S" + rest, 31415, nil},
		"Zombie":  {"a zombie runs no more", "12 (etcd) Z" + rest, 0, ErrNotFound},
		"Dead":    {"nor does the dead", "12 (etcd) X" + rest, 0, ErrNotFound},
	} {
		got, err := parseStat([]byte(tc.stat))
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: parseStat = %d, %v; want %d, %v: %s", name, got, err, tc.want, tc.err, tc.why)
		}
	}
	if _, err := parseStat([]byte("12 (short) S 1")); err == nil {
		t.Error("a short line was accepted")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	cause := errors.New("exit status 1")
	log := `{"level":"warning","msg":"careful"}` + "\n" + `{"level":"error","msg":"exec: no such file"}`
	if err := explain(cause, strings.NewReader(log)); !errors.Is(err, cause) || !strings.Contains(err.Error(), "exec: no such file") {
		t.Errorf("explain = %v, want cause and what runc said", err)
	}
	if err := explain(cause, strings.NewReader("garbage")); !errors.Is(err, cause) {
		t.Errorf("explain = %v, want the cause", err)
	}
}

// TestCommandLeavesNoFile: where a program dies in the middle of a command, nothing
// may be left in the directory that lists containers.
func TestCommandLeavesNoFile(t *testing.T) {
	t.Parallel()
	r := Runc{Binary: "/bin/true", Root: filepath.Join(t.TempDir(), "read by others")}
	if err := r.command(t.Context(), nil, "create"); err != nil {
		t.Errorf("error = %v, want none: a command needs no file there", err)
	}
}
