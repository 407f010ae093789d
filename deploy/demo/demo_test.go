package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets this program play kubectl, which a Demo runs by that name: what to
// do is the content of the kubeconfig.
func TestMain(m *testing.M) {
	if os.Args[0] != "kubectl" {
		os.Exit(m.Run())
	}
	play, err := os.ReadFile(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	in, _ := io.ReadAll(os.Stdin)
	out, errs, _ := strings.Cut(string(play), "|")
	if errs != "" {
		fmt.Fprint(os.Stderr, errs)
		os.Exit(1)
	}
	fmt.Print(strings.NewReplacer("ARGS", strings.Join(os.Args[3:], " "), "INPUT", string(in)).Replace(out))
}

// played returns a demo whose kubectl prints out, or complains and fails.
func played(t *testing.T, out, complaint string) Demo {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "play")
	if err := os.WriteFile(file, []byte(out+"|"+complaint), 0o600); err != nil {
		t.Fatal(err)
	}
	return Demo{Kubectl: self, Kubeconfig: file}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	const exists = `Error from server (AlreadyExists): error when creating "STDIN": deployments.apps "hello" already exists`
	for _, c := range []struct{ why, complaint, want string }{
		{why: "a new workload"},
		{why: "what exists stays as its owner made it", complaint: exists + "\n" + exists},
		{why: "another complaint is told", complaint: exists + "\nerror: no matches for kind", want: "kubectl create: " + exists + "\nerror: no matches for kind"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := played(t, "", c.complaint).Create(t.Context()); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("Create: %q, want %q", got, c.want)
			}
		})
	}
}

func TestKubectlGetsItsInput(t *testing.T) {
	t.Parallel()
	got, err := played(t, "ARGS: INPUT", "").kubectl(t.Context(), "manifest", "create", "-f", "-")
	if err != nil || got != "create -f -: manifest" {
		t.Errorf("kubectl: %q, %v", got, err)
	}
}

func TestPlacedNamesANodeOnce(t *testing.T) {
	t.Parallel()
	got, err := played(t, "b\na\n\nb\n", "").Placed(t.Context())
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Placed: %v, %v", got, err)
	}
}

func TestAskAnswersOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	if got, err := played(t, "hello-1\n", "").Ask(t.Context()); got != "hello-1" || err != nil {
		t.Errorf("Ask: %q, %v", got, err)
	}
	late := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, late)
	defer cancel()
	if _, err := played(t, "", "no endpoints").Ask(ctx); !errors.Is(err, late) {
		t.Errorf("Ask of a silent Service: %v, want %v", err, late)
	}
}
