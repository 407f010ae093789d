package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/tools/cache"
	utilversion "k8s.io/component-base/version"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/audit"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/limits"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/members"
)

type apiServer struct {
	options *options.ServerRunOptions
	members *members.Directory
	limits  config.Limits
}

func newAPIServer(flags []string, m *members.Directory, l config.Limits) (*apiServer, error) {
	o := options.NewServerRunOptions()
	// First of all, so that nothing else is asked about what is refused anyway.
	limits.Register(o.Admission.GenericAdmission.Plugins, l)
	order := &o.Admission.GenericAdmission.RecommendedPluginOrder
	*order = append([]string{limits.PluginName}, *order...)
	if err := parseFlags("kube-apiserver", o.Flags(), flags); err != nil {
		return nil, err
	}
	return &apiServer{options: o, members: m, limits: l}, nil
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
	return serve(ctx, completed, a.members, a.limits.Audit)
}

// serve is upstream's app.Run with one handler more, which shuts out machines that
// are no longer part of the cluster, behind authentication; and with a limited
// audit log.
func serve(ctx context.Context, o options.CompletedOptions, m *members.Directory, l config.Audit) error {
	klog.InfoS("Starting the API server", "version", utilversion.Get().GitVersion)
	if o.InformerName == nil {
		name, err := cache.NewInformerName("kube-apiserver")
		if err != nil {
			return err
		}
		o.InformerName = name
	}
	c, err := app.NewConfig(o)
	if err != nil {
		return err
	}
	// The aggregator is the first of the servers in the chain: every request of a
	// client passes its handlers, and no other's.
	first := c.Aggregator.GenericConfig
	build := first.BuildHandlerChainFunc
	first.BuildHandlerChainFunc = func(h http.Handler, c *server.Config) http.Handler { return build(m.Filter(h), c) }
	if b := first.AuditBackend; b != nil {
		limited := audit.Limit(b, l) // one for all three servers
		first.AuditBackend, c.ApiExtensions.GenericConfig.AuditBackend, c.KubeAPIs.ControlPlane.Generic.AuditBackend = limited, limited, limited
	}
	completed, err := c.Complete()
	if err != nil {
		return err
	}
	chain, err := app.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}
