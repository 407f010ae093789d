package controlplaneapp

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// Control is what the fleet needs to know of a cluster to give it nodes.
type Control struct {
	ID                tenant.ClusterID
	Organization      tenant.OrganizationID
	Version           string // "1.37"
	KubernetesVersion string // "v1.37.2"
	Phase             controlplane.Phase
	Running           bool   // its API server can be expected to answer
	Deleting          bool   // it goes, or is gone for now: it has no nodes
	Purge             bool   // and none of it is kept
	ServerName        string // of its API server's certificate
	TunnelName        string // of its konnectivity server's certificate
	CA, TunnelCA      []byte // PEM
	PodCIDR           string
	ServiceCIDR       string
	DNS               string // address of cluster DNS
}

// Lives of the certificates of machines.
const (
	bootstrapLife = 15 * time.Minute
	tunnelLife    = 30 * 24 * time.Hour
)

// BootstrapPrefix and a node's name are who a machine is to the cluster before it
// has its node certificate.
const BootstrapPrefix = "marina:bootstrap:"

// Control returns a cluster of whatever organization, or ErrNoCluster. One that is
// too new to have keys has no authorities yet, and does not run.
func (a *App) Control(ctx context.Context, id tenant.ClusterID) (Control, error) {
	c, err := a.work.ByID(ctx, id)
	if err != nil {
		return Control{}, err
	}
	version, _ := controlplane.FindVersion(c.Version)
	control := Control{
		ID: c.ID, Organization: c.Organization, Version: c.Version, KubernetesVersion: version.Full,
		Phase: c.Phase, Running: c.Usable() && !c.Leaving(), Deleting: c.Leaving(), Purge: c.Purge,
		ServerName: a.serverName(id), TunnelName: a.tunnelName(id),
		PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR, DNS: controlplane.ServiceAddress(c.ServiceCIDR, 10).String(),
	}
	issued, err := a.keys.Issued(ctx, id)
	if err != nil {
		return Control{}, fmt.Errorf("look for keys: %w", err)
	}
	if !issued {
		control.Running = false
		return control, nil
	}
	if control.CA, err = a.keys.Certificate(ctx, id, reconcile.ClusterCA); err != nil {
		return Control{}, fmt.Errorf("read authority: %w", err)
	}
	if control.TunnelCA, err = a.keys.Certificate(ctx, id, reconcile.TunnelCA); err != nil {
		return Control{}, fmt.Errorf("read authority of the tunnel: %w", err)
	}
	return control, nil
}

// Client returns the configuration of a client with all rights in the cluster; as
// names the part of Marina that it belongs to. It may be kept for as long as the
// cluster exists.
func (a *App) Client(ctx context.Context, id tenant.ClusterID, as string) (*rest.Config, error) {
	if _, err := a.work.ByID(ctx, id); err != nil {
		return nil, err
	}
	return a.api.Config(ctx, id, as)
}

// IssueNodeBootstrap returns a certificate (PEM) with which a machine may ask for
// its node certificate, and nothing else, for 15 minutes.
func (a *App) IssueNodeBootstrap(ctx context.Context, id tenant.ClusterID, nodeName string, key crypto.PublicKey) ([]byte, error) {
	return a.issue(ctx, id, reconcile.ClusterCA, key, BootstrapPrefix+nodeName, []string{kube.BootstrappersGroup}, bootstrapLife)
}

// IssueTunnel returns a certificate (PEM) with which a node's konnectivity agent
// may connect for 30 days.
func (a *App) IssueTunnel(ctx context.Context, id tenant.ClusterID, nodeName string, key crypto.PublicKey) ([]byte, error) {
	return a.issue(ctx, id, reconcile.TunnelCA, key, nodeName, nil, tunnelLife)
}

func (a *App) issue(ctx context.Context, id tenant.ClusterID, authority string, key crypto.PublicKey, name string, groups []string, life time.Duration) ([]byte, error) {
	c, err := a.work.ByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Leaving() {
		return nil, controlplane.ErrBadPhase.Saying("The cluster %s is being deleted.", c.Name)
	}
	cert, err := a.keys.SignClient(ctx, id, authority, key, name, groups, life)
	if errors.Is(err, seal.ErrAway) {
		return nil, controlplane.ErrSecrets.Because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	return cert, nil
}
