package agent

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
)

const (
	// reserve is how much life credentials must have left to be used for a start.
	reserve = time.Minute
	// renewEvery is how often certificates are looked at. They live for days.
	renewEvery = 10 * time.Minute
)

// beforeKubelet waits for containerd, and gets fresh credentials for a kubelet
// that has no certificate, or one past its time: the machine was off for long.
func (a *agent) beforeKubelet(ctx context.Context, n enroll.Node) error {
	if err := waitFor(ctx, func() bool { return listens(runtimeSocket) }); err != nil {
		return err
	}
	soon := time.Now().Add(reserve)
	if validUntil(kubeletClient, soon) || validUntil(a.dir.Kubelet().Certificate, soon) {
		return nil
	}
	return a.refresh(ctx, n)
}

func validUntil(certificate string, t time.Time) bool {
	_, until, err := enroll.Validity(certificate)
	return err == nil && t.Before(until)
}

func (a *agent) refresh(ctx context.Context, n enroll.Node) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, _ := os.ReadFile(a.dir.Tunnel().Certificate) // an absent one differs from any
	if _, err := a.client.Refresh(ctx, n); err != nil {
		return err
	}
	after, err := os.ReadFile(a.dir.Tunnel().Certificate)
	if err != nil {
		return err
	}
	if string(before) != string(after) {
		select {
		case a.newTunnel <- struct{}{}:
		default: // a restart is due already
		}
	}
	return nil
}

// renew renews the certificates of the platform and of the tunnel in time. The
// kubelet renews its own.
func (a *agent) renew(ctx context.Context, n enroll.Node) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		if enroll.Stale(a.dir.Identity().Certificate, now) || enroll.Stale(a.dir.Tunnel().Certificate, now) {
			if err := a.refresh(ctx, n); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "renew certificates", "error", err, "again_in", renewEvery)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// waitFor returns once done, which it asks often, or with ctx's error.
func waitFor(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func listens(socket string) bool {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
