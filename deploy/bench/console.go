package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/installation"
)

// console measures what a person with a browser waits for: web/e2e/measure.mjs looks
// at the clock inside of it.
func console(ctx context.Context, m *measurement) (err error) {
	bin, err := artifacts.Dir()
	if err != nil {
		return err
	}
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	const email, password = "bench@example.com", "measure twice, cut once"
	person, err := i.SignUp(ctx, email, password, "Bench")
	if err != nil {
		return err
	}
	c := &client.Client{Server: i.API, Token: person.Token.Secret}
	k, err := c.CreateCluster(ctx, client.NewCluster{Name: "bench"})
	if err != nil {
		return err
	}
	if err := until(ctx, func() (bool, error) {
		now, err := c.Cluster(ctx, k.ID)
		return err == nil && now.Phase == "running", err
	}); err != nil {
		return err
	}
	in, err := json.Marshal(map[string]string{"email": email, "password": password, "token": c.Token, "cluster": k.ID})
	if err != nil {
		return fmt.Errorf("describe the measurement: %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", "e2e/measure.mjs", i.API, strconv.Itoa(m.runs))
	cmd.Dir, cmd.Stdin, cmd.Stderr = filepath.Join(filepath.Dir(bin), "web"), bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("measure in a browser: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var sample struct {
			Figure string
			Value  float64
		}
		if err := json.Unmarshal(lines.Bytes(), &sample); err != nil {
			return fmt.Errorf("read a sample: %w", err)
		}
		m.record(sample.Figure, sample.Value)
	}
	return nil
}
