package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/progress"
)

func newEnv(errs io.Writer) *env { return &env{out: io.Discard, errs: errs, steps: progress.New(errs)} }

// playKubectl is what this test program does under the name kubectl.
func playKubectl(args []string) int {
	data, err := os.ReadFile(args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	switch args[2] {
	case "exit":
		status, _ := strconv.Atoi(args[3])
		return status
	case "wait":
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		fmt.Println("waiting")
		<-interrupted
		fmt.Println("tidied up")
		return 130
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	in, _ := io.ReadAll(os.Stdin)
	fmt.Printf("%s|%s|%s", data, strings.Join(args[2:], " "), in)
	return 0
}

// watched is a writer that calls seen with everything written so far.
type watched struct {
	text []byte
	seen func(string)
}

func (w *watched) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	w.seen(string(w.text))
	return len(p), nil
}

func TestKubectl(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		args []string
		out  string
		want error
	}{
		{why: "it has a kubeconfig, its arguments and the input", args: []string{"get", "pods", "-o", "wide"}, out: "the kubeconfig|get pods -o wide|input"},
		{why: "its exit status is ours", args: []string{"exit", "7"}, want: exitStatus(7)},
		{why: "so is the signal that killed it", args: []string{"die"}, want: exitStatus(137)},
		{why: "it tidies up after an interrupt", args: []string{"wait"}, out: "waiting\ntidied up\n", want: exitStatus(130)},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &watched{seen: func(s string) {
				if strings.HasPrefix(s, "waiting\n") {
					cancel() // as Ctrl-C does
				}
			}}
			cmd := &cobra.Command{}
			cmd.SetContext(ctx)
			cmd.SetIn(strings.NewReader("input"))
			e := newEnv(io.Discard)
			e.out = out
			if err := e.runKubectl(cmd, self, []byte("the kubeconfig"), c.args); !errors.Is(err, c.want) {
				t.Errorf("it ended with %v, want %v", err, c.want)
			}
			if string(out.text) != c.out {
				t.Errorf("it printed %q, want %q", out.text, c.out)
			}
		})
	}
}

// TestWhatFollowsTheClusterIsKubectls: also what looks like our flags.
func TestWhatFollowsTheClusterIsKubectls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, home, args string }{
		{"--home /h kubectl demo get pods -o wide", "/h", "demo get pods -o wide"},
		{"kubectl --home /h demo exec -ti pod -- sh -c x", "/h", "demo exec -ti pod -- sh -c x"},
		{"kubectl demo --help", "", "demo --help"},
		{"kubectl demo --server x --json", "", "demo --server x --json"},
	} {
		e := newEnv(io.Discard)
		root := e.root()
		var got string
		for _, cmd := range root.Commands() {
			if cmd.Name() == "kubectl" {
				cmd.RunE = func(_ *cobra.Command, args []string) error {
					got = strings.Join(args, " ")
					return nil
				}
			}
		}
		root.SetArgs(strings.Fields(c.line))
		if err := root.ExecuteContext(t.Context()); err != nil || got != c.args || e.home != c.home {
			t.Errorf("marina %s: home %q, arguments %q, %v", c.line, e.home, got, err)
		}
	}
}
