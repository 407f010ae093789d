package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/installation"
)

// step is how often a benchmark asks whether something is there yet: small beside
// what is measured, and rare enough not to slow it down on a machine of few cores.
const step = 50 * time.Millisecond

// create measures how long a customer waits for a cluster, and how long until
// nothing of it is left.
func create(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	for n := range m.runs {
		s := m.log.Begin("Run %d of %d", n+1, m.runs)
		began := time.Now()
		k, err := i.Client.CreateCluster(ctx, client.NewCluster{Name: fmt.Sprintf("bench-%d", n)})
		if err != nil {
			s.Failed()
			return err
		}
		kube, err := reach(ctx, i.Client, k.ID)
		if err != nil {
			s.Failed()
			return err
		}
		m.add("cold_api_ms_p50", time.Since(began))
		if err := use(ctx, kube); err != nil {
			s.Failed()
			return err
		}
		m.add("cold_usable_ms_p50", time.Since(began))
		s.Done("Run %d of %d: usable", n+1, m.runs)
		began = time.Now()
		if err := remove(ctx, i.Client, k.ID); err != nil {
			return err
		}
		m.add("delete_ms_p50", time.Since(began))
	}
	return nil
}

// reach returns a client of the cluster as soon as it is given a kubeconfig.
func reach(ctx context.Context, c *client.Client, id string) (*kubernetes.Clientset, error) {
	var kubeconfig []byte
	err := until(ctx, func() (bool, error) {
		data, err := c.Kubeconfig(ctx, id, 0)
		if client.IsCode(err, "cluster_not_running") {
			return false, nil
		}
		kubeconfig = data
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1 // the client's own brake is not what is measured
	return kubernetes.NewForConfig(config)
}

// use does what a first visitor does: it creates a ConfigMap, where a pod could
// run, too.
func use(ctx context.Context, kube kubernetes.Interface) error {
	var last error
	err := until(ctx, func() (bool, error) {
		if _, last = kube.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); last != nil {
			return false, nil
		}
		_, last = kube.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "bench"}}, metav1.CreateOptions{})
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// remove deletes a cluster and returns when nothing of it is left.
func remove(ctx context.Context, c *client.Client, id string) error {
	if _, err := c.PurgeCluster(ctx, id); err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		k, err := c.Cluster(ctx, id)
		if client.IsCode(err, "cluster_not_found") {
			return true, nil
		}
		return err == nil && k.Phase == "deleted", err
	})
}

// limit bounds what a benchmark waits for.
const limit = 3 * time.Minute

// until asks until the answer is yes, an error, or the time is over.
func until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not there after %s", limit))
	defer cancel()
	t := time.NewTicker(step)
	defer t.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}
