package main

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

type controllerManager struct {
	options *options.KubeControllerManagerOptions
}

func newControllerManager(flags []string) (*controllerManager, error) {
	o, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, fmt.Errorf("options of kube-controller-manager: %w", err)
	}
	sets := o.Flags(app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err := parseFlags("kube-controller-manager", sets, flags); err != nil {
		return nil, err
	}
	return &controllerManager{options: o}, nil
}

// run runs the controllers until ctx is done. The API server has to be healthy:
// upstream asks once a second, so that one which is not costs a second.
func (c *controllerManager) run(ctx context.Context) error {
	config, err := c.options.Config(ctx, app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return app.Run(ctx, config.Complete())
}
