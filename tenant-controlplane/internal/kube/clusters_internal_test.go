package kube

import (
	"context"
	"crypto"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// noSigner has no keys: they were destroyed with the cluster.
type noSigner struct{}

var errNoKeys = errors.New("no keys")

func (noSigner) SignClient(context.Context, tenant.ClusterID, string, crypto.PublicKey, string, []string, time.Duration) ([]byte, error) {
	return nil, errNoKeys
}

func (noSigner) Certificate(context.Context, tenant.ClusterID, string) ([]byte, error) {
	return nil, errNoKeys
}

// TestForgottenStaysForgotten: somebody who still asks for the metrics of a cluster that
// is being deleted, or was, keeps nothing of it in memory.
func TestForgottenStaysForgotten(t *testing.T) {
	t.Parallel()
	const id, metrics = tenant.ClusterID("kc-a"), "# TYPE etcd_server_has_leader gauge\netcd_server_has_leader 1\n"
	dir := t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(dir, EtcdSocket))
	if err != nil {
		t.Fatal(err)
	}
	etcd := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(metrics))
	})}
	served := make(chan error, 1)
	go func() { served <- etcd.Serve(ln) }()
	t.Cleanup(func() {
		_ = etcd.Close()
		<-served
	})
	s := &Clusters{
		Signer: noSigner{}, Sockets: func(tenant.ClusterID) string { return dir },
		Name: func(tenant.ClusterID) string { return "kc-a.test" },
	}
	s.transport(id, controller) // the reconciler's, while the cluster lived
	for _, when := range []string{"before", "after"} {
		got, err := s.EtcdMetrics(t.Context(), id)
		if err != nil || string(got) != metrics {
			t.Errorf("%s Forget, etcd's metrics are %q, %v", when, got, err)
		}
		if _, err := s.StackMetrics(t.Context(), id); !errors.Is(err, errNoKeys) {
			t.Errorf("%s Forget, the stack's metrics: %v, want %v", when, err, errNoKeys)
		}
		if when == "before" {
			s.Forget(id)
		}
	}
	if len(s.clients) != 0 {
		t.Errorf("%d clusters are remembered after Forget, want none", len(s.clients))
	}
}
