package fleettest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const startLimit = time.Minute

// APIServer returns a client configuration, with all rights, of a Kubernetes
// control plane without nodes. It is started by the first call in a test process
// and shared by all its tests; a guardian process ends it and removes its files
// when the test process ends, however it ends. It fails the test where the
// binaries are missing.
func APIServer(t testing.TB) *rest.Config {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return rest.CopyConfig(c.config)
}

// controlPlane is that of this test process.
type controlPlane struct {
	config *rest.Config
	leash  *os.File // the guardian waits for its other end to close
}

var shared = sync.OnceValues(func() (*controlPlane, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c, err := start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start a control plane for tests: %w", err)
	}
	return c, nil
})

// guardian runs both processes until its standard input ends, which the kernel
// sees to when the test process is gone.
const guardian = `
dir=$1
"$2" --data-dir "$dir/etcd" --client "unix://$dir/etcd.sock" --log-level error >"$dir/etcd.log" 2>&1 & etcd=$!
"$3" stack "$dir/stack.json" >"$dir/stack.log" 2>&1 & stack=$!
read -r line
kill -KILL $stack $etcd
wait
rm -rf "$dir"
`

func start(ctx context.Context) (*controlPlane, error) {
	_, file, _, _ := runtime.Caller(0)
	bin := filepath.Join(filepath.Dir(file), "..", "..", "bin")
	etcd, stack := filepath.Join(bin, "marina-etcd"), filepath.Join(bin, "marina-kubernetes-1.37")
	for _, path := range []string{etcd, stack} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s is missing; run make build", filepath.Base(path))
		}
	}
	dir, err := os.MkdirTemp("", "fleet-")
	if err != nil {
		return nil, err
	}
	cfg, err := configure(dir)
	if err != nil {
		return nil, err
	}
	end, leash, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	cmd := exec.Command("/bin/sh", "-c", guardian, "guardian", dir, etcd, stack) //nolint:noctx // it outlives every context
	cmd.Stdin, cmd.SysProcAttr = end, &syscall.SysProcAttr{Setsid: true}
	// No Wait: it would keep a goroutine, and the guardian ends after us.
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := ready(ctx, cfg); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "stack.log")) // without it, the error alone
		leash.Close()                                          //nolint:errcheck // lets the guardian clean up
		return nil, fmt.Errorf("%w: %s", err, log[max(0, len(log)-2000):])
	}
	return &controlPlane{config: cfg, leash: leash}, nil
}

// ready waits until an account could run a pod.
func ready(ctx context.Context, cfg *rest.Config) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// configure writes all that a control plane needs into dir.
func configure(dir string) (*rest.Config, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := ln.Addr().String()
	ln.Close()
	_, port, _ := strings.Cut(address, ":")
	p := &pki{dir: dir}
	p.authority()
	p.leaf("apiserver", pkix.Name{CommonName: "kubernetes"})
	p.leaf("admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}})
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		p.leaf(name, pkix.Name{CommonName: "system:" + name})
		p.write(name+".kubeconfig", fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
			"clusters": [{"name": "c", "cluster": {"server": "https://%s", "certificate-authority": "%s"}}],
			"users": [{"name": "c", "user": {"client-certificate": "%s", "client-key": "%s"}}],
			"contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}`,
			address, p.path("ca.crt"), p.path(name+".crt"), p.path(name+".key")))
	}
	if p.err != nil {
		return nil, p.err
	}
	text, err := json.Marshal(map[string]any{
		"apiServer": []string{
			"--advertise-address=192.0.2.1", "--bind-address=127.0.0.1", "--secure-port=" + port, "--authorization-mode=Node,RBAC",
			"--client-ca-file=" + p.path("ca.crt"), "--tls-cert-file=" + p.path("apiserver.crt"), "--tls-private-key-file=" + p.path("apiserver.key"),
			"--etcd-servers=unix://" + p.path("etcd.sock"), "--service-cluster-ip-range=10.96.0.0/12", "--service-account-issuer=https://test",
			"--service-account-key-file=" + p.path("apiserver.crt"), "--service-account-signing-key-file=" + p.path("apiserver.key"),
		},
		"controllerManager": []string{
			"--kubeconfig=" + p.path("kube-controller-manager.kubeconfig"), "--leader-elect=false", "--secure-port=0", "--kube-api-qps=1000", "--kube-api-burst=2000",
			"--cluster-signing-cert-file=" + p.path("ca.crt"), "--cluster-signing-key-file=" + p.path("ca.key"), "--cluster-signing-duration=24h",
			"--root-ca-file=" + p.path("ca.crt"), "--service-account-private-key-file=" + p.path("apiserver.key"), "--use-service-account-credentials=true",
		},
		"scheduler": []string{"--kubeconfig=" + p.path("kube-scheduler.kubeconfig"), "--leader-elect=false", "--secure-port=0"},
		"listen":    map[string]string{"tcp": address, "unix": p.path("api.sock")},
		"limits": map[string]any{ // that no test comes near
			"cluster": "test", "etcd": p.path("etcd.sock"),
			"objects": map[string]int{"soft": 50_000, "reserve": 60_000}, "database": map[string]int{"soft": 400 << 20, "reserve": 500 << 20},
			"audit": map[string]int{"eventsPerSecond": 1000, "bytesPerSecond": 1 << 20},
		},
	})
	if err != nil {
		return nil, err
	}
	p.write("stack.json", text)
	return &rest.Config{
		Host: "https://" + address, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.path("ca.crt"), CertFile: p.path("admin.crt"), KeyFile: p.path("admin.key")},
	}, p.err
}

// pki writes certificates; after an error it does nothing more.
type pki struct {
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
	err error
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) write(name string, data []byte) {
	if p.err == nil {
		p.err = os.WriteFile(p.path(name), data, 0o600)
	}
}

func (p *pki) authority() {
	p.ca = &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	p.ca.Subject.CommonName = "test"
	p.key = p.sign("ca", p.ca, nil)
}

func (p *pki) leaf(name string, subject pkix.Name) {
	p.sign(name, &x509.Certificate{
		Subject: subject, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"kubernetes", "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, p.key)
}

// sign writes a certificate and its key; without an authority it signs itself.
func (p *pki) sign(name string, t *x509.Certificate, by *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	if p.err != nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.err = err
		return nil
	}
	if by == nil {
		by = key
	}
	t.SerialNumber = big.NewInt(time.Now().UnixNano())
	t.NotBefore, t.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, t, p.ca, key.Public(), by)
	if err != nil {
		p.err = err
		return nil
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.err = err
		return nil
	}
	p.write(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return key
}
