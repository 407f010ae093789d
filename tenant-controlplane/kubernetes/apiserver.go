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
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/revoked"
)

type apiServer struct {
	options *options.ServerRunOptions
	members *members.Directory
	revoked *revoked.List // nil: every credential is good until it ends
	limits  config.Limits
}

func newAPIServer(c config.Config, m *members.Directory) (*apiServer, error) {
	a := &apiServer{members: m, limits: c.Limits}
	if c.Revoked != "" {
		var err error
		if a.revoked, err = revoked.At(c.Revoked, revoked.UsesIn(c.Uses)); err != nil {
			return nil, err
		}
	}
	o := options.NewServerRunOptions()
	// First of all, so that nothing else is asked about what is refused anyway.
	limits.Register(o.Admission.GenericAdmission.Plugins, c.Limits)
	order := &o.Admission.GenericAdmission.RecommendedPluginOrder
	*order = append([]string{limits.PluginName}, *order...)
	if err := parseFlags("kube-apiserver", o.Flags(), c.APIServer); err != nil {
		return nil, err
	}
	a.options = o
	return a, nil
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
	return a.serve(ctx, completed)
}

// serve is upstream's app.Run with two handlers more: one around all others, which
// with the authenticator shuts out revoked credentials, and one behind authentication,
// which shuts out machines that are no longer part of the cluster; and with a limited
// audit log.
func (a *apiServer) serve(ctx context.Context, o options.CompletedOptions) error {
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
	first.BuildHandlerChainFunc = func(h http.Handler, c *server.Config) http.Handler {
		h = build(a.members.Filter(h), c)
		if a.revoked != nil {
			h = a.revoked.Handler(h)
		}
		return h
	}
	if a.revoked != nil {
		// The others have it, too: one of them answers reviews of tokens.
		for _, auth := range []*server.AuthenticationInfo{&first.Authentication, &c.ApiExtensions.GenericConfig.Authentication, &c.KubeAPIs.ControlPlane.Generic.Authentication} {
			auth.Authenticator = a.revoked.Authenticator(auth.Authenticator)
		}
	}
	if b := first.AuditBackend; b != nil {
		limited := audit.Limit(b, a.limits.Audit) // one for all three servers
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
