package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig is how one client reaches one cluster. Credentials are either
// embedded or in files.
type Kubeconfig struct {
	Cluster    string // names cluster and context
	User       string
	Server     string // URL
	ServerName string // in the server's certificate, when it is not the URL's host

	CA, Certificate, Key             []byte // PEM
	CAFile, CertificateFile, KeyFile string // relative to the kubeconfig's own directory
}

// Encode returns the kubeconfig as YAML.
func (k Kubeconfig) Encode() ([]byte, error) {
	data, err := clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{k.Cluster: {
			Server: k.Server, TLSServerName: k.ServerName,
			CertificateAuthorityData: k.CA, CertificateAuthority: k.CAFile,
		}},
		AuthInfos: map[string]*api.AuthInfo{k.User: {
			ClientCertificateData: k.Certificate, ClientCertificate: k.CertificateFile,
			ClientKeyData: k.Key, ClientKey: k.KeyFile,
		}},
		Contexts:       map[string]*api.Context{k.Cluster: {Cluster: k.Cluster, AuthInfo: k.User}},
		CurrentContext: k.Cluster,
	})
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return data, nil
}
