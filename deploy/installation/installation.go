// Package installation runs a whole Marina of its own in a temporary home, through
// the built command line, for tests and benchmarks. Several run side by side.
package installation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/client"
)

// Installation is a running Marina.
type Installation struct {
	Home    string
	API     string         // address
	Client  *client.Client // acts for the first account
	Marina  string         // path of the program
	Kubectl string         // path of the program
	Env     []string       // for every command, beside this process's own
	Flags   []string       // of `marina up`, beside those that Start gives it

	router string
	log    io.Writer
}

// Up is what `marina up --json` says.
type Up struct {
	API        string `json:"api"`
	Cluster    string `json:"cluster"`
	Kubeconfig string `json:"kubeconfig"`
	Answer     string `json:"answer"`
	TookMS     int64  `json:"took_ms"`
}

// New prepares an installation in a new temporary home, with ports of its own;
// progress goes to log. The caller calls Close in the end.
func New(log io.Writer) (*Installation, error) {
	marina, err := artifacts.Path(artifacts.Marina)
	if err != nil {
		return nil, err
	}
	kubectl, err := artifacts.Path(artifacts.Kubectl)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "marina-")
	if err != nil {
		return nil, fmt.Errorf("make a home: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres has to pass through
		return nil, fmt.Errorf("open the way to the home: %w", err)
	}
	router, err := FreePort() // one that is started again must listen where it did
	if err != nil {
		return nil, err
	}
	return &Installation{Home: filepath.Join(dir, "home"), Marina: marina, Kubectl: kubectl, router: net.JoinHostPort("127.0.0.1", router), log: log}, nil
}

// Successor prepares an installation in another new home, at the addresses of this
// one, which must be gone when the other starts.
func (i *Installation) Successor() (*Installation, error) {
	next, err := New(i.log)
	if err != nil {
		return nil, err
	}
	next.API, next.router, next.Env, next.Flags = i.API, i.router, i.Env, i.Flags
	return next, nil
}

// Start runs `marina up`, with the demo or without.
func (i *Installation) Start(ctx context.Context, withDemo bool) (Up, error) {
	var up Up
	api := "localhost:0"
	if i.API != "" {
		api = strings.TrimPrefix(i.API, "http://") // a restart keeps its address
	}
	args := []string{"up", "--detach", "--json", fmt.Sprintf("--demo=%t", withDemo), "--listen", api, "--router-listen", i.router}
	out, err := i.Run(ctx, append(args, i.Flags...)...)
	if err != nil {
		return up, err
	}
	if err := json.Unmarshal(out, &up); err != nil {
		return up, fmt.Errorf("read what `marina up` says: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(i.Home, "login.json"))
	if err != nil {
		return up, fmt.Errorf("read the log-in: %w", err)
	}
	var login struct{ Token string }
	if err := json.Unmarshal(data, &login); err != nil {
		return up, fmt.Errorf("read the log-in: %w", err)
	}
	i.API, i.Client = up.API, &client.Client{Server: up.API, Token: login.Token}
	return up, nil
}

// Run runs a marina command in this home and returns what it printed.
func (i *Installation) Run(ctx context.Context, args ...string) ([]byte, error) {
	return i.RunWith(ctx, nil, args...)
}

// RunWith is Run with a standard input.
func (i *Installation) RunWith(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, i.Marina, append([]string{"--home", i.Home}, args...)...)
	var out, errs bytes.Buffer
	cmd.Env = append(os.Environ(), i.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, io.MultiWriter(&errs, i.log)
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("marina %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// SignUp makes an account, whose mail it reads as the operator.
func (i *Installation) SignUp(ctx context.Context, email, password, organization string) (s client.Session, err error) {
	someone := &client.Client{Server: i.API}
	if err := someone.SignUp(ctx, email); err != nil {
		return s, err
	}
	text, err := i.mailTo(ctx, email)
	if err != nil {
		return s, err
	}
	return someone.Verify(ctx, client.LinkSecret(text), password, organization)
}

// mailTo waits until the last mail to an address has arrived, and returns its text.
func (i *Installation) mailTo(ctx context.Context, email string) (string, error) {
	for {
		all, err := i.Client.Mails(ctx, email)
		if err != nil {
			return "", err
		}
		if len(all) > 0 && all[0].State == "sent" {
			m, err := i.Client.Mail(ctx, all[0].ID)
			return m.Text, err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for a mail to %s: %w", email, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// KubeconfigFile fetches a kubeconfig for a cluster into the home and returns its
// path.
func (i *Installation) KubeconfigFile(ctx context.Context, id string) (string, error) {
	data, err := i.Client.Kubeconfig(ctx, id, 0)
	if err != nil {
		return "", err
	}
	file := filepath.Join(filepath.Dir(i.Home), id+".kubeconfig")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return file, nil
}

// Close takes the installation away with all its data.
func (i *Installation) Close(ctx context.Context) error {
	_, err := i.Run(ctx, "down", "--purge")
	return errors.Join(err, os.RemoveAll(filepath.Dir(i.Home)))
}
