package controlplaneapp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// kubeconfigLife is how long a kubeconfig is valid.
const kubeconfigLife = 30 * 24 * time.Hour

// KubeconfigOptions say how a kubeconfig is to be.
type KubeconfigOptions struct {
	Server  string // URL of the endpoint, such as https://203.0.113.7:6443; the certificate's name is checked apart from it
	Address string // of the client, for the audit log
}

// Kubeconfig makes the actor an administrator of the cluster for 30 days. The
// private key in it is kept nowhere. It returns ErrNoCluster, and ErrNotRunning
// while nobody could use it.
func (a *App) Kubeconfig(ctx context.Context, org tenant.OrganizationID, actor string, id tenant.ClusterID, o KubeconfigOptions) ([]byte, error) {
	c, err := a.clusters.ByID(ctx, org, id)
	if err != nil {
		return nil, err
	}
	if !c.Usable() {
		return nil, controlplane.ErrNotRunning.Saying("The cluster %s is not running: its phase is %s.", c.Name, c.Phase)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	cert, err := a.keys.SignClient(ctx, id, reconcile.ClusterCA, key.Public(), actor, []string{kube.AdminsGroup}, kubeconfigLife)
	if errors.Is(err, seal.ErrAway) {
		return nil, controlplane.ErrSecrets.Because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	ca, err := a.keys.Certificate(ctx, id, reconcile.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	detail := map[string]string{"expires_at": now().Add(kubeconfigLife).Format(time.RFC3339)}
	by := postgres.Asker{Organization: org, Actor: actor, Address: o.Address}
	if err := a.clusters.Audit(ctx, by, id, "cluster.kubeconfig", detail); err != nil {
		return nil, err
	}
	return writeKubeconfig(c.Name, o.Server, a.serverName(id), actor, ca, cert, key)
}

func writeKubeconfig(cluster, server, serverName, user string, ca, cert []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	cfg := api.NewConfig()
	cfg.Clusters[cluster] = &api.Cluster{Server: server, TLSServerName: serverName, CertificateAuthorityData: ca}
	user = cluster + "-" + user // kubeconfigs are merged: the same person has another user in each cluster
	cfg.AuthInfos[user] = &api.AuthInfo{
		ClientCertificateData: cert,
		ClientKeyData:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
	cfg.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: user}
	cfg.CurrentContext = cluster
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return nil, fmt.Errorf("write kubeconfig: %w", err)
	}
	return data, nil
}
