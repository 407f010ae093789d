package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/marina-cloud/marina/deploy/installation"
)

// up measures how long a newcomer waits for the first answer of a pod, once
// everything is built.
func up(ctx context.Context, m *measurement) error {
	for n := range m.runs {
		if err := upOnce(ctx, m); err != nil {
			return err
		}
		m.log.Say("Run %d of %d is done", n+1, m.runs)
	}
	return nil
}

func upOnce(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	began := time.Now()
	defer func() {
		began := time.Now()
		err = errors.Join(err, i.Close(context.WithoutCancel(ctx)))
		m.add("down_ms", time.Since(began))
	}()
	if _, err := i.Start(ctx, true); err != nil {
		return err
	}
	m.add("up_to_pod_ms", time.Since(began))
	return nil
}
