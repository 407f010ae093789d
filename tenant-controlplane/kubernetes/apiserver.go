package main

import (
	"context"
	"fmt"
	"net"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

type apiServer struct {
	options *options.ServerRunOptions
}

func newAPIServer(flags []string) (*apiServer, error) {
	o := options.NewServerRunOptions()
	if err := parseFlags("kube-apiserver", o.Flags(), flags); err != nil {
		return nil, err
	}
	return &apiServer{options: o}, nil
}

// run serves on l until ctx is done and requests have drained.
func (a *apiServer) run(ctx context.Context, l net.Listener) error {
	// Set between parsing and completion: completion takes the port from it.
	a.options.SecureServing.Listener = l
	completed, err := a.options.Complete(ctx)
	if err != nil {
		return fmt.Errorf("complete options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return fmt.Errorf("validate options: %w", utilerrors.NewAggregate(errs))
	}
	return app.Run(ctx, completed)
}
