package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/installation"
)

// revocations is how many credentials are revoked in each run, one after the other.
const revocations = 10

// revoking measures how long a credential is still good for anything after the moment at
// which somebody asked for its end: until a request with it is refused and a watch with
// it has ended, whichever comes last.
func revoking(ctx context.Context, m *measurement, i *installation.Installation) error {
	k, err := i.Client.CreateCluster(ctx, client.NewCluster{Name: "revoking"})
	if err != nil {
		return err
	}
	if _, err := reach(ctx, i.Client, k.ID); err != nil {
		return err
	}
	var all []float64
	for n := range m.runs {
		s := m.log.Begin("Run %d of %d: %d credentials are revoked", n+1, m.runs, revocations)
		for range revocations {
			took, err := revokeOne(ctx, i.Client, k.ID)
			if err != nil {
				s.Failed()
				return err
			}
			m.add("revoke_to_refused_ms_p50", took)
			all = append(all, float64(took.Microseconds())/1000)
		}
		s.Done("Run %d of %d", n+1, m.runs)
	}
	slices.Sort(all)
	m.record("revoke_to_refused_ms_p99", all[(len(all)*99+99)/100-1])
	return nil
}

// revokeOne revokes a credential that is in use, and returns how long that takes.
func revokeOne(ctx context.Context, c *client.Client, cluster string) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the credential is good after %s", limit))
	defer cancel()
	kube, id, err := issue(ctx, c, cluster)
	if err != nil {
		return 0, err
	}
	watch, err := kube.CoreV1().ConfigMaps("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("open a watch: %w", err)
	}
	defer watch.Stop()
	ends := make(chan error, 2) // of the requests, and of the watch
	go func() {
		for {
			_, err := kube.CoreV1().Namespaces().Get(ctx, corev1.NamespaceDefault, metav1.GetOptions{})
			if apierrors.IsUnauthorized(err) {
				err = nil
			} else if err == nil {
				continue
			}
			ends <- err
			return
		}
	}()
	go func() {
		for range watch.ResultChan() { // until it is closed
		}
		ends <- context.Cause(ctx)
	}()
	began := time.Now()
	if err := c.RevokeCredential(ctx, cluster, id); err != nil {
		return 0, err
	}
	err = errors.Join(<-ends, <-ends)
	return time.Since(began), err
}

// issue returns a client with a fresh credential, and the credential's id.
func issue(ctx context.Context, c *client.Client, cluster string) (*kubernetes.Clientset, string, error) {
	x, err := c.CreateCredential(ctx, cluster)
	if err != nil {
		return nil, "", err
	}
	all, err := c.Credentials(ctx, cluster)
	if err != nil {
		return nil, "", err
	}
	kube, err := kubernetes.NewForConfig(&rest.Config{
		Host: x.Spec.Cluster.Server, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: x.Spec.Cluster.ServerName, CAData: x.Spec.Cluster.Authority,
			CertData: []byte(x.Status.Certificate), KeyData: []byte(x.Status.Key),
		},
	})
	return kube, all[len(all)-1].ID, err // the oldest come first
}
