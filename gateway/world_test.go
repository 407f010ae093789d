package gateway_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/billing"
	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// world keeps clusters and their nodes in memory, as the contract of the gateway's
// interfaces says: what belongs to another organization is not there.
type world struct {
	mu       sync.Mutex
	clusters []controlplane.Cluster
	pools    []fleet.Pool
	nodes    []fleet.Node
	events   []event.Event

	credentials []controlplane.Credential

	closed atomic.Int64                // terminals
	left   atomic.Int64                // readers of logs who followed and left
	quota  int                         // of clusters of an organization; 0: none
	before func(context.Context) error // called in every Create, without the lock
}

func (w *world) Create(ctx context.Context, org tenant.OrganizationID, _, _ string, n controlplane.NewCluster) (controlplane.Cluster, error) {
	if err := n.Validate(); err != nil {
		return controlplane.Cluster{}, err
	}
	if w.before != nil {
		if err := w.before(ctx); err != nil {
			return controlplane.Cluster{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	have := 0
	for _, c := range w.clusters {
		if c.Organization != org {
			continue
		}
		if c.Phase == controlplane.Recoverable {
			continue
		}
		if c.Name == n.Name {
			return controlplane.Cluster{}, controlplane.ErrNameTaken
		}
		have++
	}
	if w.quota > 0 && have >= w.quota {
		return controlplane.Cluster{}, controlplane.ErrQuota
	}
	id := tenant.NewClusterID()
	c := controlplane.Cluster{
		ID: id, Organization: org, Name: n.Name, Version: n.Version, PodCIDR: n.PodCIDR, ServiceCIDR: n.ServiceCIDR,
		Issuer: "https://issuer.test/clusters/" + string(id), Phase: controlplane.Provisioning, CreatedAt: time.Now(),
		DeletionProtection: n.DeletionProtection,
		Conditions:         []controlplane.Condition{{Type: controlplane.EtcdHealthy, Message: "etcd has not started yet", Since: time.Now()}},
	}
	w.clusters = append(w.clusters, c)
	return c, nil
}

// cluster needs the lock.
func (w *world) cluster(org tenant.OrganizationID, id tenant.ClusterID) (*controlplane.Cluster, error) {
	i := slices.IndexFunc(w.clusters, func(c controlplane.Cluster) bool { return c.Organization == org && c.ID == id })
	if i < 0 {
		return nil, controlplane.ErrNoCluster
	}
	return &w.clusters[i], nil
}

func (w *world) Cluster(_ context.Context, org tenant.OrganizationID, id tenant.ClusterID) (controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	return *c, nil
}

func (w *world) List(_ context.Context, org tenant.OrganizationID, deleted bool, after string, limit int) ([]controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := func(c controlplane.Cluster) bool {
		return c.Organization == org && (c.Phase == controlplane.Recoverable) == deleted
	}
	return some(w.clusters, own, func(c controlplane.Cluster) string { return string(c.ID) }, after, limit), nil
}

func (w *world) Change(_ context.Context, org tenant.OrganizationID, _, _ string, id tenant.ClusterID, change controlplane.Change, only controlplane.Precondition) (controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	if err := only.Check(*c); err != nil {
		return controlplane.Cluster{}, err
	}
	if change.Name != nil && slices.ContainsFunc(w.clusters, func(k controlplane.Cluster) bool {
		return k.Organization == org && k.ID != id && k.Name == *change.Name
	}) {
		return controlplane.Cluster{}, controlplane.ErrNameTaken
	}
	changed, err := change.Of(*c)
	if err == nil {
		*c = changed
	}
	return changed, err
}

// Delete removes the cluster at once, or makes it one that can be brought back: a
// reconciler may be as quick.
func (w *world) Delete(_ context.Context, org tenant.OrganizationID, _, _ string, id tenant.ClusterID, purge bool, only controlplane.Precondition) (controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	if err := cmp.Or(only.Check(*c), c.Deletable()); err != nil {
		return controlplane.Cluster{}, err
	}
	gone := *c
	gone.Deleting = true
	if !purge {
		gone.PurgeAt = time.Now().Add(time.Hour)
		*c = gone
		c.Phase = controlplane.Recoverable
		return gone, nil
	}
	gone.Purge = true
	w.clusters = slices.DeleteFunc(w.clusters, func(c controlplane.Cluster) bool { return c.ID == id })
	return gone, nil
}

func (w *world) SetNetworks(_ context.Context, org tenant.OrganizationID, _, _ string, id tenant.ClusterID, networks []netip.Prefix) (controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	c.Networks = networks
	return *c, nil
}

// Undelete brings a cluster back at once.
func (w *world) Undelete(_ context.Context, org tenant.OrganizationID, _, _ string, id tenant.ClusterID) (controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	if slices.ContainsFunc(w.clusters, func(k controlplane.Cluster) bool { return k.Organization == org && k.ID != id && k.Name == c.Name }) {
		return controlplane.Cluster{}, controlplane.ErrNameTaken
	}
	back := *c
	back.Deleting, back.PurgeAt = false, time.Time{}
	*c = back
	c.Phase = controlplane.Running
	return back, nil
}

func (w *world) Events(_ context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) ([]event.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, id); err != nil {
		return nil, err
	}
	of := func(e event.Event) bool { return e.Cluster == id }
	return some(w.events, of, func(e event.Event) string { return e.ID }, after, limit), nil
}

func (w *world) Recent(_ context.Context, org tenant.OrganizationID, limit int) (last []controlplane.Happening, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range slices.Backward(w.events) {
		c, err := w.cluster(org, e.Cluster)
		if err == nil && len(last) < limit {
			last = append(last, controlplane.Happening{Event: e, Name: c.Name})
		}
	}
	return last, nil
}

func (w *world) Kubeconfig(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, server string, n controlplane.NewCredential) ([]byte, error) {
	if _, err := w.IssueCredential(ctx, org, actor, address, id, n); err != nil {
		return nil, err
	}
	return []byte("server: " + server + "\n"), nil
}

func (w *world) IssueCredential(_ context.Context, org tenant.OrganizationID, actor, _ string, id tenant.ClusterID, n controlplane.NewCredential) (controlplane.Issued, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Issued{}, err
	}
	if err := n.Validate(); err != nil {
		return controlplane.Issued{}, err
	}
	if !c.Usable() {
		return controlplane.Issued{}, controlplane.ErrNotRunning
	}
	now := time.Now()
	i := controlplane.Issued{
		Credential: controlplane.Credential{
			ID: tenant.NewCredentialID(), Organization: org, Cluster: id, Holder: n.Holder, IssuedBy: actor, Kind: n.Kind, User: n.User, Groups: []string{n.Group},
			IssuedAt: now, ExpiresAt: now.Add(n.Life),
		},
		ClusterName: c.Name, ServerName: string(id) + ".test", Authority: []byte("CA"), Certificate: []byte("CERT"), Key: []byte("KEY"),
	}
	w.credentials = append(w.credentials, i.Credential)
	return i, nil
}

func (w *world) Credentials(_ context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) ([]controlplane.Credential, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, id); err != nil {
		return nil, err
	}
	of := func(c controlplane.Credential) bool { return c.Cluster == id }
	return some(w.credentials, of, func(c controlplane.Credential) string { return string(c.ID) }, after, limit), nil
}

func (w *world) Credential(_ context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.CredentialID) (controlplane.Credential, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.credentials {
		if c.Organization == org && c.Cluster == cluster && c.ID == id {
			return c, nil
		}
	}
	return controlplane.Credential{}, controlplane.ErrNoCredential
}

func (w *world) RevokeCredential(_ context.Context, org tenant.OrganizationID, _, _ string, cluster tenant.ClusterID, id tenant.CredentialID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.credentials, func(c controlplane.Credential) bool {
		return c.Organization == org && c.Cluster == cluster && c.ID == id
	})
	if i < 0 {
		return controlplane.ErrNoCredential
	}
	now := time.Now()
	w.credentials[i].RevokedAt = &now
	return nil
}

func (w *world) RevokeCredentialsOf(_ context.Context, _ pgx.Tx, org tenant.OrganizationID, _, _ string, holder tenant.UserID) (func(context.Context), error) {
	return func(context.Context) {
		w.mu.Lock()
		defer w.mu.Unlock()
		now := time.Now()
		for i, c := range w.credentials {
			if c.Organization == org && c.Holder == holder {
				w.credentials[i].RevokedAt = &now
			}
		}
	}, nil
}

func (w *world) Any(_ context.Context, _ pgx.Tx, org tenant.OrganizationID) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.clusters, func(c controlplane.Cluster) bool { return c.Organization == org }), nil
}

func (w *world) SetAuthentication(_ context.Context, org tenant.OrganizationID, _, _ string, id tenant.ClusterID, n controlplane.Authentication) (controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.cluster(org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	if err := fault.InvalidFields(n.WrongFields()); err != nil {
		return controlplane.Cluster{}, err
	}
	c.Authentication = n
	return *c, nil
}

func (w *world) RevokeToken(_ context.Context, org tenant.OrganizationID, _, _ string, id tenant.ClusterID, r controlplane.RevokedToken) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, id); err != nil {
		return err
	}
	return r.Validate()
}

func (w *world) Metrics(_ context.Context, org tenant.OrganizationID, id tenant.ClusterID) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, id); err != nil {
		return nil, err
	}
	return []byte("marina_cluster_up{component=\"etcd\"} 1\n"), nil
}

// Logs sends one line of the past, and another one when the log is followed, until
// the reader leaves.
func (w *world) Logs(_ context.Context, org tenant.OrganizationID, id tenant.ClusterID, q controlplane.LogQuery) (func(context.Context, io.Writer) error, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, id); err != nil {
		return nil, err
	}
	return func(ctx context.Context, out io.Writer) error {
		fmt.Fprintf(out, "%s %d %s\n", q.Component, q.Tail, q.Since.Format(time.RFC3339))
		if q.Follow {
			fmt.Fprintln(out, "news")
			<-ctx.Done()
			w.left.Add(1)
		}
		return nil
	}, nil
}

func (w *world) Identity(_ context.Context, id tenant.ClusterID) (configuration, keys []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clusters {
		if c.ID == id {
			return fmt.Appendf(nil, `{"issuer":%q}`, c.Issuer), []byte(`{"keys":[]}`), nil
		}
	}
	return nil, nil, controlplane.ErrNoCluster
}

func (w *world) CreatePool(_ context.Context, org tenant.OrganizationID, _, _ string, cluster tenant.ClusterID, n fleet.NewPool) (fleet.Pool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, cluster); err != nil {
		return fleet.Pool{}, fleet.ErrNoCluster
	}
	if n.Count > fleet.MaxNodes {
		return fleet.Pool{}, fleet.ErrQuota
	}
	for _, p := range w.pools {
		if p.Cluster == cluster && p.Name == n.Name {
			return fleet.Pool{}, fleet.ErrNameTaken
		}
	}
	p := fleet.Pool{
		ID: tenant.NewPoolID(), Organization: org, Cluster: cluster, Name: n.Name, Size: n.Size, Count: n.Count,
		Labels: n.Labels, Taints: n.Taints, Phase: fleet.PoolProvisioning, CreatedAt: time.Now(),
	}
	w.pools = append(w.pools, p)
	return p, nil
}

func (w *world) Pools(_ context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) ([]fleet.Pool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, cluster); err != nil {
		return nil, fleet.ErrNoCluster
	}
	of := func(p fleet.Pool) bool { return p.Cluster == cluster }
	return some(w.pools, of, func(p fleet.Pool) string { return string(p.ID) }, after, limit), nil
}

// pool needs the lock.
func (w *world) pool(org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.PoolID) (*fleet.Pool, error) {
	i := slices.IndexFunc(w.pools, func(p fleet.Pool) bool { return p.Organization == org && p.Cluster == cluster && p.ID == id })
	if i < 0 {
		return nil, fleet.ErrNoPool
	}
	return &w.pools[i], nil
}

func (w *world) Pool(_ context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.PoolID) (fleet.Pool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.pool(org, cluster, id)
	if err != nil {
		return fleet.Pool{}, err
	}
	return *p, nil
}

func (w *world) Resize(_ context.Context, org tenant.OrganizationID, _, _ string, cluster tenant.ClusterID, id tenant.PoolID, count int, only fleet.Precondition) (fleet.Pool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.pool(org, cluster, id)
	if err != nil {
		return fleet.Pool{}, err
	}
	if err := only.Check(*p); err != nil {
		return fleet.Pool{}, err
	}
	if count > fleet.MaxNodes {
		return fleet.Pool{}, fleet.ErrQuota
	}
	p.Count = count
	return *p, nil
}

// DeletePool removes the pool at once, as happens to one without nodes.
func (w *world) DeletePool(_ context.Context, org tenant.OrganizationID, _, _ string, cluster tenant.ClusterID, id tenant.PoolID, only fleet.Precondition) (fleet.Pool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.pool(org, cluster, id)
	if err != nil {
		return fleet.Pool{}, err
	}
	if err := only.Check(*p); err != nil {
		return fleet.Pool{}, err
	}
	gone := *p
	gone.Deleting = true
	w.pools = slices.DeleteFunc(w.pools, func(p fleet.Pool) bool { return p.ID == id })
	return gone, nil
}

func (w *world) Nodes(_ context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) ([]fleet.Node, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.cluster(org, cluster); err != nil {
		return nil, fleet.ErrNoCluster
	}
	of := func(n fleet.Node) bool { return n.Cluster == cluster }
	return some(w.nodes, of, func(n fleet.Node) string { return string(n.ID) }, after, limit), nil
}

func (w *world) Tally(_ context.Context, org tenant.OrganizationID) (map[tenant.ClusterID][]fleet.Tally, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tallies := map[tenant.ClusterID][]fleet.Tally{}
	for _, n := range w.nodes {
		p, err := w.pool(org, n.Cluster, n.Pool)
		if err != nil {
			continue
		}
		t := fleet.Tally{Size: p.Size, Nodes: 1}
		if n.Ready {
			t.Ready = 1
		} else if n.Phase == fleet.NodeRunning {
			t.Lost = 1
		}
		tallies[n.Cluster] = append(tallies[n.Cluster], t)
	}
	return tallies, nil
}

func (w *world) Node(_ context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.NodeID) (fleet.Node, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if n.Organization == org && n.Cluster == cluster && n.ID == id {
			return n, nil
		}
	}
	return fleet.Node{}, fleet.ErrNoNode
}

// some returns up to limit of the items wanted, by id, with ids after after.
func some[T any](items []T, wanted func(T) bool, id func(T) string, after string, limit int) (page []T) {
	sorted := slices.SortedFunc(slices.Values(items), func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	for _, x := range sorted {
		if wanted(x) && id(x) > after && len(page) < limit {
			page = append(page, x)
		}
	}
	return page
}

// populate gives an organization a running cluster with a pool, a node and events.
func (w *world) populate(org tenant.OrganizationID, events int) (controlplane.Cluster, fleet.Pool, fleet.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := controlplane.Cluster{ID: tenant.NewClusterID(), Organization: org, Name: "production", Version: "1.37", Phase: controlplane.Running}
	p := fleet.Pool{ID: tenant.NewPoolID(), Organization: org, Cluster: c.ID, Name: "workers", Size: "small", Count: 1, Phase: fleet.PoolRunning}
	n := fleet.Node{ID: tenant.NewNodeID(), Organization: org, Cluster: c.ID, Pool: p.ID, Name: "workers-1", Phase: fleet.NodeRunning, Ready: true}
	w.clusters, w.pools, w.nodes = append(w.clusters, c), append(w.pools, p), append(w.nodes, n)
	for i := range events {
		w.events = append(w.events, event.Event{
			ID: fmt.Sprintf("01k9xw3e5v8m2q4r6t8y0a%04d", i), Kind: event.ClusterRunning, Organization: org, Cluster: c.ID,
			Subject: string(c.ID), Message: "The cluster is running.", At: time.Now(),
		})
	}
	return c, p, n
}

// changeCluster does with a cluster what a reconciler would do.
func (w *world) changeCluster(id tenant.ClusterID, change func(*controlplane.Cluster)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.clusters[slices.IndexFunc(w.clusters, func(c controlplane.Cluster) bool { return c.ID == id })])
}

func (w *world) changeNode(id tenant.NodeID, change func(*fleet.Node)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.nodes[slices.IndexFunc(w.nodes, func(n fleet.Node) bool { return n.ID == id })])
}

// Prices has none for some sizes.
func (w *world) Prices(context.Context) (billing.Book, error) {
	return billing.Book{Currency: "EUR", Prices: []billing.Price{
		{Meter: billing.ControlPlane, Item: billing.Running, PerHour: apd.New(15, -3)},
		{Meter: billing.Node, Item: fleet.Sizes[0].Name, PerHour: apd.New(1000, -5)},
	}}, nil
}

// Terminal shows who and what it is for, then what is typed, and ends with "exit" or "sleep".
func (w *world) Terminal(_ context.Context, org tenant.OrganizationID, actor string, address netip.Addr, id tenant.ClusterID, n controlplane.NewCredential, columns, rows uint16) (gateway.Terminal, error) {
	if n.Group == "" {
		return nil, controlplane.ErrNoAccess
	}
	c, err := w.Cluster(context.Background(), org, id)
	if err != nil {
		return nil, err
	}
	t := &echo{w: w}
	t.r, t.shown = io.Pipe()
	go fmt.Fprintf(t.shown, "%s %s %s %dx%d\n", c.Name, actor, address, columns, rows)
	return t, nil
}

var errSlept = fault.New(fault.Unavailable, "terminal_idle", "Nobody used the terminal.")

type echo struct {
	w     *world
	r     *io.PipeReader
	shown *io.PipeWriter
}

func (e *echo) Read(p []byte) (int, error) { return e.r.Read(p) }

func (e *echo) Write(p []byte) (int, error) {
	switch string(p) {
	case "exit":
		return len(p), e.shown.CloseWithError(syscall.EIO)
	case "sleep":
		return len(p), e.shown.CloseWithError(errSlept)
	}
	return e.shown.Write(p)
}

func (e *echo) Resize(columns, rows uint16) error {
	_, err := fmt.Fprintf(e.shown, "now %dx%d\n", columns, rows)
	return err
}

func (e *echo) Close() error {
	e.w.closed.Add(1)
	return errors.Join(e.r.Close(), e.shown.Close())
}
