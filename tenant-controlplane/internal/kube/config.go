package kube

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Names that the certificates of package pki and the flags here share.
const (
	KubeletClient    = "kube-apiserver-kubelet-client" // the API server, to kubelets
	FrontProxyClient = "front-proxy-client"            // the API server, to aggregated API servers
)

// stack is the configuration of the process that runs the API server, the
// controllers and the scheduler. Its format is defined in
// tenant-controlplane/kubernetes/config.
type stack struct {
	APIServer         []string `json:"apiServer"`
	ControllerManager []string `json:"controllerManager"`
	Scheduler         []string `json:"scheduler"`
	Listen            struct {
		TCP  string `json:"tcp"`
		Unix string `json:"unix"`
	} `json:"listen"`
	Limits limits `json:"limits"`
	Tunnel struct {
		Agents      string `json:"agents"`
		APIServer   string `json:"apiServer"`
		Certificate string `json:"certificate"`
		Key         string `json:"key"`
		ClientCA    string `json:"clientCA"`
	} `json:"tunnel"`
	Members string `json:"members"`
	Revoked string `json:"revoked"`
	Uses    string `json:"uses"`
}

type limits struct {
	Cluster  string `json:"cluster"`
	Etcd     string `json:"etcd"`
	Objects  mark   `json:"objects"`
	Database mark   `json:"database"`
	Audit    struct {
		EventsPerSecond int `json:"eventsPerSecond"`
		BytesPerSecond  int `json:"bytesPerSecond"`
	} `json:"audit"`
}

type mark struct {
	Soft    int64 `json:"soft"`
	Reserve int64 `json:"reserve"`
}

// EtcdArgs is the command line of a cluster's etcd, after the program's name.
func EtcdArgs(l controlplane.Limits) []string {
	return []string{
		"--data-dir=" + EtcdDir,
		"--client=" + etcdEndpoint,
		fmt.Sprintf("--quota-bytes=%d", l.DatabaseFile),
	}
}

// StackArgs is the command line of a cluster's stack, after the program's name.
func StackArgs() []string { return []string{"stack", path.Join(ConfigDir, StackFile)} }

// Files returns the contents of ConfigDir by name. It holds no secret, and
// depends on nothing but the cluster and its limits.
func Files(c controlplane.Cluster, l controlplane.Limits) map[string][]byte {
	var s stack
	s.APIServer = apiServer(c, l)
	s.ControllerManager = controllerManager(c)
	s.Scheduler = scheduler()
	s.Listen.TCP = "127.0.0.1:6443"
	s.Listen.Unix = path.Join(SocketsDir, APISocket)
	s.Limits = limits{
		Cluster: string(c.ID), Etcd: path.Join(SocketsDir, EtcdSocket),
		Objects: mark(l.Objects), Database: mark(l.Database),
	}
	s.Limits.Audit.EventsPerSecond, s.Limits.Audit.BytesPerSecond = l.Audit.EventsPerSecond, l.Audit.BytesPerSecond
	s.Tunnel.Agents = path.Join(SocketsDir, TunnelSocket)
	s.Tunnel.APIServer = tunnelFrontend
	s.Tunnel.Certificate = pki("tunnel-server.crt")
	s.Tunnel.Key = pki("tunnel-server.key")
	s.Tunnel.ClientCA = pki("tunnel-ca.crt")
	s.Members, s.Revoked, s.Uses = MembersDir, RevokedDir, UsesDir
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("kube: encode stack configuration: %v", err)) // strings always can be
	}
	return map[string][]byte{
		StackFile:          append(data, '\n'),
		authenticationFile: authenticationOf(c),
		auditFile:          []byte(auditPolicy),
		egressFile:         []byte(egress),
		encryptionFile:     []byte(encryption),
	}
}

// Fixed returns Files without what a running stack follows by itself, the issuers of
// tokens: when any of it changes, the stack has to be started anew.
func Fixed(c controlplane.Cluster, l controlplane.Limits) map[string][]byte {
	c.Authentication = controlplane.Authentication{}
	return Files(c, l)
}

func pki(name string) string    { return path.Join(PKIDir, name) }
func config(name string) string { return path.Join(ConfigDir, name) }

// JWKSPath is where, below a cluster's issuer, its token keys are published.
const JWKSPath = "/openid/v1/jwks"

func apiServer(c controlplane.Cluster, l controlplane.Limits) []string {
	flags := []string{
		// Where it is.
		"--advertise-address=" + Advertised,
		"--bind-address=127.0.0.1",
		"--secure-port=6443",
		"--etcd-servers=" + etcdEndpoint,
		"--service-cluster-ip-range=" + c.ServiceCIDR,
		// Who it is.
		"--tls-cert-file=" + pki("apiserver.crt"),
		"--tls-private-key-file=" + pki("apiserver.key"),
		"--tls-min-version=VersionTLS12",
		// Who others are.
		"--client-ca-file=" + pki("ca.crt"),
		"--authentication-config=" + config(authenticationFile),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		// Service accounts. The second audience is upstream's default, which
		// many programs ask for by that name.
		"--service-account-issuer=" + c.Issuer,
		"--service-account-key-file=" + pki("sa.pub"),
		"--service-account-signing-key-file=" + pki("sa.key"),
		"--api-audiences=" + strings.Join([]string{c.Issuer, "https://kubernetes.default.svc"}, ","),
		// The way to nodes, pods and Services, which is the tunnel.
		"--egress-selector-config-file=" + config(egressFile),
		"--enable-aggregator-routing=true",
		"--kubelet-certificate-authority=" + pki("ca.crt"),
		"--kubelet-client-certificate=" + pki("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + pki("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--proxy-client-cert-file=" + pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + pki("front-proxy-client.key"),
		"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + FrontProxyClient,
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		// What is kept, and how.
		"--encryption-provider-config=" + config(encryptionFile),
		"--audit-policy-file=" + config(auditFile),
		"--audit-log-path=" + path.Join(AuditDir, AuditFile),
		fmt.Sprintf("--audit-log-maxsize=%d", l.Audit.FileMiB),
		fmt.Sprintf("--audit-log-maxbackup=%d", l.Audit.Files-1),
		"--audit-log-maxage=30", // days
		// A tenant's load stays the tenant's. Priority and fairness shares out the
		// sum of both.
		fmt.Sprintf("--max-requests-inflight=%d", l.Reads),
		fmt.Sprintf("--max-mutating-requests-inflight=%d", l.Writes),
		// A client that is told to retry while the server stops does so, and
		// sees no error.
		"--shutdown-send-retry-after=true",
		"--profiling=false",
	}
	// An installation without TLS has an issuer, too, but the API server refuses
	// to name a place for its keys that is not HTTPS.
	if strings.HasPrefix(c.Issuer, "https://") {
		flags = append(flags, "--service-account-jwks-uri="+c.Issuer+JWKSPath)
	}
	return flags
}

func controllerManager(c controlplane.Cluster) []string {
	kubeconfig := pki("kcm.kubeconfig")
	return append(client(kubeconfig),
		"--authentication-kubeconfig="+kubeconfig,
		"--authorization-kubeconfig="+kubeconfig,
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+pki("sa.key"),
		"--root-ca-file="+pki("ca.crt"),
		// Upstream's approver would let any administrator's request for a node's
		// certificate through; only the fleet knows which machine is expected.
		"--controllers=*,-certificatesigningrequest-approving-controller",
		"--cluster-signing-cert-file="+pki("ca.crt"),
		"--cluster-signing-key-file="+pki("ca.key"),
		"--cluster-signing-duration=24h",
		"--allocate-node-cidrs=true",
		"--cluster-cidr="+c.PodCIDR,
		"--service-cluster-ip-range="+c.ServiceCIDR,
	)
}

func scheduler() []string {
	kubeconfig := pki("scheduler.kubeconfig")
	return append(client(kubeconfig),
		"--authentication-kubeconfig="+kubeconfig,
		"--authorization-kubeconfig="+kubeconfig,
	)
}

// client is what the two clients of the API server have in common. The rates are
// what keeps the first boot short: with upstream's 20 requests a second, the
// controllers take seconds to make their first objects. The API server's priority
// and fairness holds them back where that matters.
func client(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--leader-elect=false", // one process, one instance
		"--bind-address=127.0.0.1",
		"--secure-port=0", // nobody scrapes them
		"--profiling=false",
	}
}
