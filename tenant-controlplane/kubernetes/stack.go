package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/members"
)

const (
	// controllersGrace is how long controllers and scheduler may take to end
	// before the API server, which they talk to, begins to.
	controllersGrace = 2 * time.Second

	// stopGrace bounds the whole of a graceful stop. What is left is what upstream
	// would wait for longer: requests that run for up to a minute.
	stopGrace = 15 * time.Second

	// socketUmask lets the group connect to the sockets, which the router belongs to.
	socketUmask = 0o007
)

// runStack runs a tenant's control plane until SIGTERM or SIGINT, and then returns
// nil, or until a component ends by itself, which is an error. A second signal
// ends the process at once.
func runStack(path string) error {
	c, err := config.Read(path)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	syscall.Umask(socketUmask)

	// The API server outlives the controllers, and the tunnel both.
	apiCtx, stopAPI := context.WithCancel(context.Background())
	defer stopAPI()
	collectLater(apiCtx)

	nodes := members.At(c.Members)
	api, err := newAPIServer(c, nodes)
	if err != nil {
		return err
	}
	controllers, err := newControllerManager(c.ControllerManager)
	if err != nil {
		return err
	}
	schedule, err := newScheduler(c.Scheduler)
	if err != nil {
		return err
	}
	if err := applyGlobals(api); err != nil {
		return err
	}

	controllersCtx, stopControllers := context.WithCancel(apiCtx)
	defer stopControllers()
	tunnelCtx, stopTunnel := context.WithCancel(context.Background())
	defer stopTunnel()

	l, err := listen(c.Listen)
	if err != nil {
		return err
	}
	tunnelParts, apiParts, controllerParts := newParts(), newParts(), newParts()
	if err := startTunnel(tunnelCtx, c.Tunnel, nodes, tunnelParts); err != nil {
		return err
	}
	apiParts.start("kube-apiserver", func() error { return api.run(apiCtx, l) })
	started := make(chan struct{})
	controllerParts.start("kube-controller-manager and kube-scheduler", func() error {
		if err := awaitHealthy(controllersCtx, controllers.options.Generic.ClientConnection.Kubeconfig); err != nil {
			return err
		}
		close(started)
		controllerParts.start("kube-controller-manager", func() error { return controllers.run(signed(controllersCtx, "kube-controller-manager")) })
		controllerParts.start("kube-scheduler", func() error { return schedule.run(signed(controllersCtx, "kube-scheduler")) })
		return errStarted
	})

	var failure error
	select {
	case s := <-signals:
		klog.InfoS("Stopping", "signal", s)
	case failure = <-tunnelParts.ended:
	case failure = <-apiParts.ended:
	case failure = <-controllerParts.ended:
	}

	select {
	case <-started:
	default:
		// There is hardly a request to wait for, and upstream, stopped in the middle
		// of its start, ends the process itself: with an error, without the reason.
		return failure
	}
	// Whatever the reason, requests that are being served get the time to end.
	patience := time.After(stopGrace)
	stopControllers()
	controllerParts.wait(time.After(controllersGrace), signals)
	stopAPI()
	if !apiParts.wait(patience, signals) {
		klog.InfoS("The API server was not done when the time to stop was over", "limit", stopGrace)
	}
	return failure
}

// signed makes a component sign its lines in the log that all of them share. The API
// server's have no signature, nor have those of old code that logs without a context.
func signed(ctx context.Context, component string) context.Context {
	return klog.NewContext(ctx, klog.LoggerWithName(klog.Background(), component))
}

// applyGlobals does once for the process what each of upstream's commands does for
// itself: feature gates and versions (which all three components register in one
// place), and logging, which follows the API server's flags.
func applyGlobals(api *apiServer) error {
	if err := api.options.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	if err := logsapi.ValidateAndApply(api.options.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("set up logging: %w", err)
	}
	// Components talk to the server of their own version; its warnings are for people.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	return nil
}

// errStarted is returned by a part that has only started others.
var errStarted = errors.New("started")
