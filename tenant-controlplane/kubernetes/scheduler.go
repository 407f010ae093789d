package main

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

type scheduler struct {
	options *options.Options
}

func newScheduler(flags []string) (*scheduler, error) {
	o := options.NewOptions()
	if err := parseFlags("kube-scheduler", *o.Flags, flags); err != nil {
		return nil, err
	}
	return &scheduler{options: o}, nil
}

// run schedules until ctx is done; upstream calls even that an error.
func (s *scheduler) run(ctx context.Context) error {
	config, scheduler, err := app.Setup(ctx, s.options)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return app.Run(ctx, config, scheduler)
}
