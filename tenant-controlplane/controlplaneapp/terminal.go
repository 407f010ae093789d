package controlplaneapp

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/terminal"
)

// Terminal opens a shell with kubectl and a credential of the kind ForTerminal. The
// address is where the person is: the audit logs show it. Errors are those of
// IssueCredential.
func (a *App) Terminal(ctx context.Context, org tenant.OrganizationID, actor string, address netip.Addr, id tenant.ClusterID, n controlplane.NewCredential, columns, rows uint16) (*terminal.Terminal, error) {
	n.Kind, n.Life = controlplane.ForTerminal, terminal.Longest
	issued, err := a.IssueCredential(ctx, org, actor, address.String(), id, n)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := writeKubeconfig(issued, terminal.Endpoint)
	if err != nil {
		return nil, err
	}
	return a.terminals.Open(ctx, terminal.Options{
		Cluster: issued.ClusterName, Socket: filepath.Join(reconcile.Sockets(a.home, id), kube.APISocket),
		From: netip.AddrPortFrom(address, 0), Kubeconfig: kubeconfig, Columns: columns, Rows: rows,
	})
}
