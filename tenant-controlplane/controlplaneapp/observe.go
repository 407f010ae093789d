package controlplaneapp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/clusterlog"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// How many readers may follow the logs of one cluster at once, and look into their
// past, which takes memory until the reader has it.
const (
	MaxFollowers = 8
	MaxReaders   = 4
)

// Logs returns what sends a component's log to a reader: it returns when all that
// was asked for is sent, and a log that is followed ends with ctx, with the reader
// or with the cluster. Errors are a fault that names every wrong field,
// ErrNoCluster, ErrReaders and ErrFollowers. Whoever calls Logs calls send, once.
func (a *App) Logs(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, q controlplane.LogQuery) (send func(ctx context.Context, w io.Writer) error, err error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	if _, err := a.clusters.ByID(ctx, org, id); err != nil {
		return nil, err
	}
	readers, most, full := &a.readers, MaxReaders, controlplane.ErrReaders
	if q.Follow {
		readers, most, full = &a.followers, MaxFollowers, controlplane.ErrFollowers
	}
	if !readers.enter(id, most) {
		return nil, full
	}
	dirs := clusterlog.Dirs{Processes: filepath.Join(a.home.Tenant(id), reconcile.LogDir), Audit: filepath.Join(a.home.Tenant(id), reconcile.AuditDir)}
	return func(ctx context.Context, w io.Writer) error {
		defer readers.leave(id)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(a.ending, cancel)() // the process stops
		if err := dirs.Send(ctx, q, w); err != nil {
			return fmt.Errorf("send the log of %s of %s: %w", q.Component, id, err)
		}
		return nil
	}, nil
}

// readers counts those who read logs, by cluster.
type readers struct {
	mu sync.Mutex
	of map[tenant.ClusterID]int
}

func (r *readers) enter(id tenant.ClusterID, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of[id] >= most {
		return false
	}
	if r.of == nil {
		r.of = map[tenant.ClusterID]int{}
	}
	r.of[id]++
	return true
}

func (r *readers) leave(id tenant.ClusterID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of[id]--; r.of[id] <= 0 {
		delete(r.of, id)
	}
}

// freshMetrics is how old a cluster's metrics may be that are shown: however many
// scrapers its owner has, the control plane is asked no more often than that.
const freshMetrics = 5 * time.Second

// Metrics returns the metrics of a cluster's control plane, in Prometheus' text
// format. What does not answer is missing in them, and shown as down. It returns
// ErrNoCluster.
func (a *App) Metrics(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) ([]byte, error) {
	c, err := a.clusters.ByID(ctx, org, id)
	if err != nil {
		return nil, err
	}
	return a.scraped.get(id, func() []byte { return a.scrape(context.WithoutCancel(ctx), c) }), nil
}

// scraped remembers the metrics of clusters for a moment.
type scraped struct {
	mu sync.Mutex
	of map[tenant.ClusterID]*snapshot
}

type snapshot struct {
	mu   sync.Mutex // held by whoever asks the control plane; others wait for the answer
	at   time.Time
	text []byte
}

func (s *scraped) get(id tenant.ClusterID, ask func() []byte) []byte {
	s.mu.Lock()
	if s.of == nil {
		s.of = map[tenant.ClusterID]*snapshot{}
	}
	one := s.of[id]
	if one == nil {
		one = &snapshot{}
		s.of[id] = one
		time.AfterFunc(2*freshMetrics, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.of, id)
		})
	}
	s.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if time.Since(one.at) > freshMetrics {
		one.text, one.at = ask(), time.Now()
	}
	return one.text
}

func (a *App) scrape(ctx context.Context, c controlplane.Cluster) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# HELP marina_cluster_info Always 1; what the cluster is.\n# TYPE marina_cluster_info gauge\nmarina_cluster_info{cluster=%q,version=%q,phase=%q} 1\n", c.ID, c.Version, c.Phase)
	out.WriteString("# HELP marina_cluster_condition 1 while the condition holds, else 0.\n# TYPE marina_cluster_condition gauge\n")
	for _, x := range c.Conditions {
		fmt.Fprintf(&out, "marina_cluster_condition{condition=%q} %d\n", x.Type, number(x.OK))
	}
	stack, stackErr := a.api.StackMetrics(ctx, c.ID)
	etcd, etcdErr := a.api.EtcdMetrics(ctx, c.ID)
	out.WriteString("# HELP marina_cluster_up 1 when the component has answered with its metrics, else 0.\n# TYPE marina_cluster_up gauge\n")
	fmt.Fprintf(&out, "marina_cluster_up{component=\"apiserver\"} %d\nmarina_cluster_up{component=\"etcd\"} %d\n", number(stackErr == nil), number(etcdErr == nil))
	out.Write(stack)
	out.Write(etcd)
	return out.Bytes()
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
