// Package demo is the first workload of a new installation: a Deployment on both
// nodes behind a Service. It is driven with plain kubectl, as a customer would.
package demo

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

//go:embed demo.yaml
var manifest string

// Path is where the demo's Service answers through the API server's proxy.
const Path = "/api/v1/namespaces/default/services/hello:http/proxy/hostname"

// Demo is a cluster to show something in.
type Demo struct {
	Kubectl    string // path of kubectl
	Kubeconfig string // path of a kubeconfig
}

// Create asks for the workload. What of it exists already stays as it is.
func (d Demo) Create(ctx context.Context) error {
	_, err := d.kubectl(ctx, manifest, "create", "-f", "-")
	if err != nil && onlyExists(err.Error()) {
		return nil
	}
	return err
}

// onlyExists reports whether kubectl complains of nothing but that objects exist:
// it says so in a line for each.
func onlyExists(complaint string) bool {
	for line := range strings.Lines(complaint) {
		if !strings.Contains(line, "(AlreadyExists)") {
			return false
		}
	}
	return true
}

// Wait returns when every pod of the workload is available.
func (d Demo) Wait(ctx context.Context) error {
	_, err := d.kubectl(ctx, "", "rollout", "status", "deployment/hello")
	return err
}

// Placed returns the names of the nodes that the pods run on, without doubles.
func (d Demo) Placed(ctx context.Context) ([]string, error) {
	out, err := d.kubectl(ctx, "", "get", "pods", "-l", "app=hello", "-o", `jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}`)
	if err != nil {
		return nil, err
	}
	nodes := strings.Fields(out)
	slices.Sort(nodes)
	return slices.Compact(nodes), nil
}

// Ask asks the Service until it answers, and returns the name of the pod that did.
func (d Demo) Ask(ctx context.Context) (string, error) {
	for {
		out, err := d.kubectl(ctx, "", "get", "--raw", Path)
		if err == nil {
			return strings.TrimSpace(out), nil
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d Demo) kubectl(ctx context.Context, in string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.Kubectl, append([]string{"--kubeconfig", d.Kubeconfig}, args...)...)
	cmd.Args[0] = "kubectl" // what a multi-call binary goes by
	cmd.Stdin = strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if text := strings.TrimSpace(errs.String()); text != "" {
			err = errors.New(text)
		}
		return "", fmt.Errorf("kubectl %s: %w", args[0], err)
	}
	return out.String(), nil
}
