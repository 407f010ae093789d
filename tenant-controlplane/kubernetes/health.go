package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// healthPoll is how often the API server is asked while it starts. It is short
// because everything that a new cluster's owner waits for comes after it.
const healthPoll = 40 * time.Millisecond

// complainAfter is how often the log says why the controllers still wait. A start
// takes a few seconds.
const complainAfter = 15 * time.Second

// awaitHealthy waits until the API server answers with the credentials in
// kubeconfig that it is healthy. That includes that the default roles exist, so
// that the controllers may do their work.
func awaitHealthy(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig of kube-controller-manager: %w", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("kubeconfig of kube-controller-manager: %w", err)
	}
	defer client.CloseIdleConnections()
	complain := time.NewTicker(complainAfter)
	defer complain.Stop()
	for {
		err := healthy(ctx, client, config.Host+"/healthz")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-complain.C:
			klog.ErrorS(err, "Controllers and scheduler wait for the API server")
		case <-time.After(healthPoll):
		}
	}
}

func healthy(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // read to the end, or the connection is not used again
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, body)
	}
	return nil
}
