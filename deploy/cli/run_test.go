package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// TestMain takes away what a person may have set; and it lets this program play
// kubectl, see kubectl_test.go.
func TestMain(m *testing.M) {
	if os.Args[0] == "kubectl" {
		os.Exit(playKubectl(os.Args[1:]))
	}
	for _, name := range []string{"MARINA_HOME", "MARINA_SERVER", "MARINA_TOKEN"} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// person is somebody at a terminal, with a home of their own.
type person struct {
	home, server string
}

// result is what a command did.
type result struct {
	out, errs string
	status    int
}

// somebody is a person who uses an API, not yet logged in.
func somebody(t *testing.T, a *api) person {
	t.Helper()
	return person{home: t.TempDir(), server: a.URL}
}

// member is a person who is logged in.
func member(t *testing.T, a *api) person {
	t.Helper()
	p := somebody(t, a)
	if r := p.types(t, goodPassword+"\n", "--server", a.URL, "login", "--email", "ada@example.com"); r.status != 0 {
		t.Fatalf("log in: %+v", r)
	}
	return p
}

// types runs a command with a standard input. Nothing that it prints moves a
// cursor: nobody looks at a terminal here.
func (p person) types(t *testing.T, in string, args ...string) result {
	t.Helper()
	return p.typesUntil(t, t.Context(), strings.NewReader(in), args...)
}

func (p person) typesUntil(t *testing.T, ctx context.Context, in io.Reader, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	status := Main(ctx, append([]string{"--home", p.home}, args...), in, &out, &errs)
	if text := out.String() + errs.String(); strings.ContainsAny(text, "\x1b\r") {
		t.Errorf("%v printed control characters: %q", args, text)
	}
	return result{out.String(), errs.String(), status}
}

// runs is types for a command that must work.
func (p person) runs(t *testing.T, args ...string) string {
	t.Helper()
	r := p.types(t, "", args...)
	if r.status != 0 {
		t.Fatalf("marina %s: exit status %d\n%s%s", strings.Join(args, " "), r.status, r.out, r.errs)
	}
	return r.out
}

// says checks what a text holds, word for word.
func says(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s does not say %q:\n%s", what, p, text)
		}
	}
}
