//go:build integration

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/node-fleet/join"
)

// stolen is what somebody has who has copied a machine's disk.
type stolen struct {
	id, name string
	config   join.Config
	kube     *kubernetes.Clientset // as the kubelet
	platform *x509.CertPool
	server   string // name of the platform's node API
	tunnelCA *x509.CertPool
	identity tls.Certificate
	tunnel   tls.Certificate
}

func steal(t *testing.T, id string) stolen {
	t.Helper()
	disk := filepath.Join(marina.Home, "machines", id, "var/lib")
	file := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(disk, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	pair := func(certificate, key []byte) tls.Certificate {
		t.Helper()
		c, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	pool := func(name string) *x509.CertPool {
		p := x509.NewCertPool()
		p.AppendCertsFromPEM(file(name))
		return p
	}
	var node struct {
		ServerName string      `json:"server_name"`
		Config     join.Config `json:"config"`
	}
	if err := json.Unmarshal(file("marina-agent/node.json"), &node); err != nil {
		t.Fatal(err)
	}
	s := stolen{
		id: id, name: node.Config.NodeName, config: node.Config, server: node.ServerName,
		platform: pool("marina-agent/authority.crt"), tunnelCA: pool("marina-agent/tunnel-ca.crt"),
		identity: pair(file("marina-agent/identity.crt"), file("marina-agent/identity.key")),
		tunnel:   pair(file("marina-agent/tunnel.crt"), file("marina-agent/tunnel.key")),
	}
	link, err := os.Readlink(filepath.Join(disk, "kubelet/pki/kubelet-client-current.pem"))
	if err != nil {
		t.Fatal(err)
	}
	both := file(filepath.Join("kubelet/pki", filepath.Base(link)))
	s.kube, err = kubernetes.NewForConfig(&rest.Config{
		Host: endpoint(t), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{ServerName: s.config.APIServerName, CAData: []byte(s.config.ClusterAuthority), CertData: both, KeyData: both},
	})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair(both, both).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 24*time.Hour+10*time.Minute {
		t.Errorf("the kubelet's certificate lives for %s, want a day", life)
	}
	return s
}

// dial opens a TLS connection to the router's public address.
func (s stolen) dial(t *testing.T, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	c.MinVersion = tls.VersionTLS13
	conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", strings.TrimPrefix(endpoint(t), "https://"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*tls.Conn), conn.SetDeadline(time.Now().Add(patience))
}

// podAPI connects to the cluster's API server as a pod of the machine does.
func (s stolen) podAPI(t *testing.T) (net.Conn, error) {
	t.Helper()
	outer, err := s.dial(t, &tls.Config{ServerName: s.server, RootCAs: s.platform, Certificates: []tls.Certificate{s.identity}, NextProtos: []string{join.PodAPIProtocol}})
	if err != nil {
		return nil, err
	}
	cluster := x509.NewCertPool()
	cluster.AppendCertsFromPEM([]byte(s.config.ClusterAuthority))
	inner := tls.Client(outer, &tls.Config{ServerName: "kubernetes", RootCAs: cluster})
	return inner, inner.HandshakeContext(t.Context())
}

// openTunnel connects as the machine's konnectivity agent does.
func (s stolen) openTunnel(t *testing.T) (net.Conn, error) {
	t.Helper()
	c, err := s.dial(t, &tls.Config{ServerName: s.config.TunnelServerName, RootCAs: s.tunnelCA, Certificates: []tls.Certificate{s.tunnel}, NextProtos: []string{"h2"}})
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(c, make([]byte, 9)) // an HTTP/2 server begins with its settings
	return c, err
}

// refresh asks the platform for fresh credentials.
func (s stolen) refresh(t *testing.T) (status int) {
	t.Helper()
	web := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			return s.dial(t, &tls.Config{ServerName: s.server, RootCAs: s.platform, Certificates: []tls.Certificate{s.identity}})
		},
	}}
	key := publicKey(t)
	body, err := json.Marshal(join.BootstrapRequest{KubeletKey: key, TunnelKey: key})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := web.Post("https://"+s.server+join.PathBootstrap, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func publicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// TestStolenMachine: whoever has all credentials of a machine is that node and nothing
// else, and is nobody from the moment on at which the machine is removed.
func TestStolenMachine(t *testing.T) {
	before := nodes(t, demo())
	if _, err := marina.Run(t.Context(), "pools", "create", "demo", "stolen", "--count", "1", "--wait"); err != nil {
		t.Fatal(err)
	}
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	all, err := marina.Client.Nodes(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	var s stolen
	for _, n := range all {
		if !slices.Contains(before, n.Name) {
			s = steal(t, n.ID)
		}
	}
	t.Run("is one node", func(t *testing.T) { oneNode(t, s, before[0]) })
	t.Run("asks for certificates", func(t *testing.T) { askForCertificates(t, s, before[0]) })
	t.Run("is removed", func(t *testing.T) { removed(t, s) })
}

// oneNode holds what the Node authorizer and the admission plugin NodeRestriction keep
// from a kubelet: they have to be switched on.
func oneNode(t *testing.T, s stolen, other string) {
	ctx, v1 := t.Context(), s.kube.CoreV1()
	demo().kubectl(t, "", "create", "secret", "generic", "stolen", "--from-literal=k=v")
	defer demo().kubectl(t, "", "delete", "secret", "stolen")
	if _, err := v1.Nodes().Get(ctx, s.name, meta.GetOptions{}); err != nil {
		t.Fatalf("control: the node reads itself: %v", err)
	}
	label := []byte(`{"metadata":{"labels":{"stolen":"yes"}}}`)
	if _, err := v1.Nodes().Patch(ctx, s.name, types.MergePatchType, label, meta.PatchOptions{}); err != nil {
		t.Errorf("control: the node labels itself: %v", err)
	}
	for what, try := range map[string]func() error{
		"reads a Secret that none of its pods uses": func() error {
			_, err := v1.Secrets("default").Get(ctx, "stolen", meta.GetOptions{})
			return err
		},
		"lists Secrets": func() error {
			_, err := v1.Secrets("").List(ctx, meta.ListOptions{})
			return err
		},
		"labels another node": func() error {
			_, err := v1.Nodes().Patch(ctx, other, types.MergePatchType, label, meta.PatchOptions{})
			return err
		},
		"deletes another node": func() error { return v1.Nodes().Delete(ctx, other, meta.DeleteOptions{}) },
		"takes a label on which owners build isolation": func() error {
			_, err := v1.Nodes().Patch(ctx, s.name, types.MergePatchType, []byte(`{"metadata":{"labels":{"node-restriction.kubernetes.io/x":"y"}}}`), meta.PatchOptions{})
			return err
		},
		"runs a pod on another node": func() error {
			_, err := v1.Pods("default").Create(ctx, &core.Pod{
				ObjectMeta: meta.ObjectMeta{Name: "stolen", Annotations: map[string]string{core.MirrorPodAnnotationKey: "x"}},
				Spec:       core.PodSpec{NodeName: other, Containers: []core.Container{{Name: "main", Image: image}}},
			}, meta.CreateOptions{})
			return err
		},
		"makes another node": func() error {
			_, err := v1.Nodes().Create(ctx, &core.Node{ObjectMeta: meta.ObjectMeta{Name: "stolen-too"}}, meta.CreateOptions{})
			return err
		},
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("the node %s: %v, want Forbidden", what, err)
		}
	}
}

// askForCertificates holds that the cluster's only approver gives a node its own.
func askForCertificates(t *testing.T, s stolen, other string) {
	const client, serving = certificates.KubeAPIServerClientKubeletSignerName, certificates.KubeletServingSignerName
	nodes, year := []string{"system:nodes"}, int32(365*24*3600)
	api := s.kube.CertificatesV1().CertificateSigningRequests()
	for name, tc := range map[string]struct {
		signer   string
		who      string
		groups   []string
		address  string
		seconds  *int32
		approved bool
	}{
		"own":              {client, s.name, nodes, "", nil, true},
		"own-serving":      {serving, s.name, nodes, s.config.Address, nil, true},
		"anothers":         {client, other, nodes, "", nil, false},
		"masters":          {client, s.name, []string{"system:nodes", "system:masters"}, "", nil, false},
		"anothers-address": {serving, s.name, nodes, "172.30.1.1", nil, false},
		"long":             {client, s.name, nodes, "", &year, false},
		"serving-another":  {serving, other, nodes, s.config.Address, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:" + tc.who, Organization: tc.groups}}
			usages := []certificates.KeyUsage{certificates.UsageDigitalSignature, certificates.UsageClientAuth}
			if tc.signer == serving {
				template.DNSNames, template.IPAddresses = []string{tc.who}, []net.IP{net.ParseIP(tc.address)}
				usages[1] = certificates.UsageServerAuth
			}
			der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
			if err != nil {
				t.Fatal(err)
			}
			made, err := api.Create(t.Context(), &certificates.CertificateSigningRequest{
				ObjectMeta: meta.ObjectMeta{GenerateName: "stolen-"},
				Spec: certificates.CertificateSigningRequestSpec{
					Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
					SignerName: tc.signer, Usages: usages, ExpirationSeconds: tc.seconds,
				},
			}, meta.CreateOptions{})
			if apierrors.IsForbidden(err) && !tc.approved {
				return // it may not even ask
			}
			if err != nil {
				t.Fatal(err)
			}
			self := made.DeepCopy()
			self.Status.Conditions = []certificates.CertificateSigningRequestCondition{{Type: certificates.CertificateApproved, Status: core.ConditionTrue, Reason: "Self"}}
			if _, err := api.UpdateApproval(t.Context(), made.Name, self, meta.UpdateOptions{}); !apierrors.IsForbidden(err) {
				t.Errorf("the node approves its own request: %v, want Forbidden", err)
			}
			eventually(t, "the request is decided", func() (bool, string) {
				r, err := api.Get(t.Context(), made.Name, meta.GetOptions{})
				if err != nil {
					return false, err.Error()
				}
				for _, c := range r.Status.Conditions {
					if denied := c.Type == certificates.CertificateDenied; denied == tc.approved {
						t.Fatalf("it is %s: %s", c.Type, c.Message)
					}
				}
				return len(r.Status.Conditions) > 0 && tc.approved == (len(r.Status.Certificate) > 0), fmt.Sprint(r.Status)
			})
		})
	}
}

// removed opens all that a machine may, removes the machine, and tries again.
func removed(t *testing.T, s stolen) {
	ctx := t.Context()
	watch, err := s.kube.CoreV1().Nodes().Watch(ctx, meta.ListOptions{FieldSelector: "metadata.name=" + s.name})
	if err != nil {
		t.Fatalf("control: the node watches itself: %v", err)
	}
	defer watch.Stop()
	pod, err := s.podAPI(t)
	if err != nil {
		t.Fatalf("control: a pod's connection: %v", err)
	}
	answers := bufio.NewReader(pod)
	if status, err := askLive(pod, answers); err != nil {
		t.Fatalf("control: a pod asks the API server: %s, %v", status, err)
	}
	tunnel, err := s.openTunnel(t)
	if err != nil {
		t.Fatalf("control: the machine's tunnel: %v", err)
	}
	if status := s.refresh(t); status != http.StatusOK {
		t.Fatalf("control: fresh credentials: %d", status)
	}

	if _, err := marina.Run(ctx, "pools", "delete", "demo", "stolen", "--wait"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.kube.CoreV1().Nodes().Get(ctx, s.name, meta.GetOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("its kubelet's certificate reads: %v, want Unauthorized", err)
	}
	if _, err := s.kube.CoreV1().Nodes().Create(ctx, &core.Node{ObjectMeta: meta.ObjectMeta{Name: s.name}}, meta.CreateOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("its kubelet's certificate makes its Node again: %v, want Unauthorized", err)
	}
	if c, err := s.podAPI(t); err == nil {
		t.Errorf("its identity opens a pod's connection to %s", c.RemoteAddr())
	}
	if c, err := s.openTunnel(t); err == nil {
		t.Errorf("its tunnel's certificate opens a tunnel at %s", c.RemoteAddr())
	}
	if status := s.refresh(t); status != http.StatusForbidden {
		t.Errorf("it asks for fresh credentials: %d, want 403", status)
	}
	limit := time.After(patience)
	for open := true; open; {
		select {
		case _, open = <-watch.ResultChan():
		case <-limit:
			t.Fatal("its watch goes on")
		}
	}
	// A server ends silent connections by itself in the end: before that these have to.
	if err := tunnel.SetReadDeadline(time.Now().Add(patience / 4)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, tunnel); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("its tunnel stays open")
	}
	eventually(t, "a pod's connection, which goes on asking, is cut", func() (bool, string) {
		resp, err := askLive(pod, answers)
		return err != nil, resp
	})
}

// askLive asks the API server for its health over an open connection.
func askLive(c net.Conn, answers *bufio.Reader) (status string, err error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: kubernetes\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Status, err
}
