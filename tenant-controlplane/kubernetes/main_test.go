package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

func TestChoose(t *testing.T) {
	tests := []struct {
		name    string
		argv    []string
		program string // empty: none
		args    []string
		why     string
	}{
		{"first argument", []string{"/bin/marina-kubernetes-1.37", "kubelet", "--v=2"}, "kubelet", []string{"--v=2"}, "it is how machines call it"},
		{"symbolic link", []string{"/usr/bin/kubectl", "get", "stack"}, "kubectl", []string{"get", "stack"}, "people have a link on their path"},
		{"program after an option", []string{"marina-kubernetes-1.37", "--v=2", "kubelet"}, "", nil, "options come after the program"},
		{"unknown", []string{"marina-kubernetes-1.37", "kube-apiserver"}, "", nil, "components run in the stack only"},
		{"nothing", []string{"marina-kubernetes-1.37"}, "", nil, "there is no default"},
		{"no name", nil, "", nil, "execve allows it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			program, args, ok := choose(tt.argv)
			if program != tt.program || ok != (tt.program != "") || !slices.Equal(args, tt.args) {
				t.Errorf("choose(%q) = %q, %q, %v: %s", tt.argv, program, args, ok, tt.why)
			}
		})
	}
}

// TestFlags checks that each component takes flags, that it says whose flag is
// wrong, and that all three can be built in one process.
func TestFlags(t *testing.T) {
	components := map[string]func([]string) error{
		"kube-apiserver":          func(flags []string) error { _, err := newAPIServer(config.Config{APIServer: flags}, nil); return err },
		"kube-controller-manager": func(flags []string) error { _, err := newControllerManager(flags); return err },
		"kube-scheduler":          func(flags []string) error { _, err := newScheduler(flags); return err },
	}
	for name, build := range components {
		t.Run(name, func(t *testing.T) {
			if err := build([]string{"--secure-port=0", "--profiling=false"}); err != nil {
				t.Errorf("good flags: %v", err)
			}
			for _, flags := range [][]string{{"--no-such-flag"}, {"left over"}, {"--help"}} {
				if err := build(flags); err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("flags %q: %v, want an error that names %s", flags, err, name)
				}
			}
		})
	}
}

func TestParts(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name string
		err  error
		want string
		why  string
	}{
		{"with an error", broken, "part: broken", "the last line of the log has to say which"},
		{"without an error", nil, "part: ended by itself", "a component that is gone is a failure whatever it says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newParts()
			p.start("part", func() error { return tt.err })
			if err := <-p.ended; err.Error() != tt.want {
				t.Errorf("ended: %q, want %q: %s", err, tt.want, tt.why)
			}
			if !p.wait(nil, nil) {
				t.Error("wait: not all ended")
			}
		})
	}
}

func TestPartsWaitIsBounded(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	p := newParts()
	p.start("slow", func() error { <-release; return nil })
	if p.wait(time.After(0), nil) {
		t.Error("wait reported the end of a part that runs")
	}
	again := make(chan os.Signal, 1)
	again <- os.Interrupt
	if p.wait(nil, again) {
		t.Error("wait went on after a second signal")
	}
}
