package controlplaneapp

import (
	"context"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Kubeconfig issues a credential and returns it as a kubeconfig for the endpoint at
// server, a URL such as https://203.0.113.7:6443; the certificate's name is checked
// apart from it. Errors are those of IssueCredential.
func (a *App) Kubeconfig(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, server string, n controlplane.NewCredential) ([]byte, error) {
	n.Kind = controlplane.ForKubeconfig
	i, err := a.IssueCredential(ctx, org, actor, address, id, n)
	if err != nil {
		return nil, err
	}
	return writeKubeconfig(i, server)
}

func writeKubeconfig(i controlplane.Issued, server string) ([]byte, error) {
	cluster := i.ClusterName
	cfg := api.NewConfig()
	cfg.Clusters[cluster] = &api.Cluster{Server: server, TLSServerName: i.ServerName, CertificateAuthorityData: i.Authority}
	user := cluster + "-" + i.User // kubeconfigs are merged: the same person has another user in each cluster
	cfg.AuthInfos[user] = &api.AuthInfo{ClientCertificateData: i.Certificate, ClientKeyData: i.Key}
	cfg.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: user}
	cfg.CurrentContext = cluster
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return nil, fmt.Errorf("write kubeconfig: %w", err)
	}
	return data, nil
}
