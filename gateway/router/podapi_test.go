package router_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

// newNode returns a live node of a cluster and its certificate.
func (w *world) newNode(tb testing.TB, c *cluster) tls.Certificate {
	tb.Helper()
	id := tenant.NewNodeID()
	w.admit(tb, id, c.id)
	return w.nodes.issue(tb, nodeCertificate(id, c.id))
}

func nodeCertificate(id tenant.NodeID, of tenant.ClusterID) certificate {
	return certificate{name: string(id), organizations: []string{string(of)}}
}

// agent opens what a node's agent opens for a connection of a pod.
func (w *world) agent(tb testing.TB, certificates ...tls.Certificate) (*tls.Conn, error) {
	tb.Helper()
	return w.secure(tb, &tls.Config{
		ServerName: "nodes." + domain, RootCAs: w.nodes.pool(), NextProtos: []string{router.PodProtocol}, Certificates: certificates,
	})
}

// podConn opens what a pod opens: TLS to kubernetes.default, inside the agent's.
func (w *world) podConn(tb testing.TB, c *cluster, agent tls.Certificate) net.Conn {
	tb.Helper()
	outer, err := w.agent(tb, agent)
	check(tb, err)
	inner := tls.Client(outer, &tls.Config{ServerName: "kubernetes", RootCAs: c.ca.pool()})
	check(tb, inner.Handshake())
	return inner
}

func TestPodReachesItsCluster(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	mine := newCluster(t).serveAPI(t, sayAddress).publish(t, w)
	newCluster(t).serveAPI(t, echo).publish(t, w) // another one, with the same name inside
	conn := w.podConn(t, mine, w.newNode(t, mine))
	if got, want := ask(t, conn, "who am I"), conn.LocalAddr().String(); got != want {
		t.Errorf("the API server sees %s, want the node's address %s", got, want)
	}
}

func TestPodAPIRefuses(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	other := newCluster(t).serveAPI(t, echo).publish(t, w)
	live := tenant.NewNodeID()
	w.admit(t, live, c.id)
	check(t, os.WriteFile(filepath.Join(w.config.Nodes, "admin"), []byte(c.id), 0o600))

	expired := nodeCertificate(live, c.id)
	expired.ends = time.Now().Add(-time.Hour)
	forServers := nodeCertificate(live, c.id)
	forServers.server = true
	twoClusters := nodeCertificate(live, c.id)
	twoClusters.organizations = append(twoClusters.organizations, string(other.id))

	for name, tc := range map[string]struct {
		why   string
		certs []tls.Certificate
	}{
		"NoCertificate":    {"a stranger is nobody's node", nil},
		"WrongAuthority":   {"only our authority says who is a node", []tls.Certificate{newAuthority(t, "nodes").issue(t, nodeCertificate(live, c.id))}},
		"ClusterAuthority": {"a tenant's authority says nothing about nodes", []tls.Certificate{c.ca.issue(t, nodeCertificate(live, c.id))}},
		"Expired":          {"a certificate has an end", []tls.Certificate{w.nodes.issue(t, expired)}},
		"ForServers":       {"the router's own certificate must open nothing", []tls.Certificate{w.nodes.issue(t, forServers)}},
		"Removed":          {"a removed node's certificate is worth nothing, whatever its end", []tls.Certificate{w.nodes.issue(t, nodeCertificate(tenant.NewNodeID(), c.id))}},
		"OtherCluster":     {"a node is of one cluster, the one that the fleet knows", []tls.Certificate{w.nodes.issue(t, nodeCertificate(live, other.id))}},
		"NoNode":           {"a name that is no node's id is never looked up", []tls.Certificate{w.nodes.issue(t, certificate{name: "admin", organizations: []string{string(c.id)}})}},
		"NoCluster":        {"nor an organization that is no cluster's id", []tls.Certificate{w.nodes.issue(t, certificate{name: string(live), organizations: []string{"system:masters"}})}},
		"NoOrganization":   {"the cluster comes from the certificate alone", []tls.Certificate{w.nodes.issue(t, certificate{name: string(live)})}},
		"TwoClusters":      {"two clusters are none", []tls.Certificate{w.nodes.issue(t, twoClusters)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := w.agent(t, tc.certs...)
			if err == nil { // in TLS 1.3 the client hears of it with the first read
				_, err = conn.Read(make([]byte, 1))
			}
			if err == nil || ended(err) {
				t.Errorf("read = %v, want a TLS alert: %s", err, tc.why)
			}
			if n := w.Stats().Carried["pod-api"]; n != 0 {
				t.Errorf("%d connections were carried, want none: %s", n, tc.why)
			}
		})
	}
}

// TestRemovedNodeIsCut: what a node has open ends with the node.
func TestRemovedNodeIsCut(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.Recheck = 5 * time.Millisecond })
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	stays := w.podConn(t, c, w.newNode(t, c))
	id := tenant.NewNodeID()
	w.admit(t, id, c.id)
	goes := w.podConn(t, c, w.nodes.issue(t, nodeCertificate(id, c.id)))
	ask(t, goes, "before")
	check(t, os.Remove(filepath.Join(w.config.Nodes, string(id))))
	if _, err := readLine(goes); !ended(err) {
		t.Errorf("read = %v, want the removed node's connection cut", err)
	}
	if got := ask(t, stays, "still here"); got != "still here" {
		t.Errorf("answer = %q: another node's removal is none of its business", got)
	}
}

func TestPodAPIWithoutARoute(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	node := w.newNode(t, c)
	check(t, route.Withdraw(w.config.Routes, c.id))
	conn, err := w.agent(t, node)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if !ended(err) {
		t.Errorf("read = %v, want the connection reset: an alert would not be understood inside TLS", err)
	}
}

func TestCertificatesAreReloaded(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { check(t, os.RemoveAll(c.Certificates)) })
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	old := w.newNode(t, c)
	if _, err := w.agent(t, old); !ended(err) {
		t.Fatalf("handshake = %v, want a reset while the router has no certificate", err)
	}
	if n := w.Stats().Refused["no-certificate"]; n != 1 {
		t.Errorf("%d connections refused for lack of a certificate, want 1", n)
	}

	check(t, os.Mkdir(w.config.Certificates, 0o700))
	w.certify(t, w.nodes)
	ask(t, w.podConn(t, c, old), "with the first certificate")

	check(t, os.WriteFile(filepath.Join(w.config.Certificates, "nodes.crt"), []byte("half a f"), 0o600))
	ask(t, w.podConn(t, c, old), "in the middle of a replacement")

	w.nodes = newAuthority(t, "nodes") // the new authority does not know the old certificate
	w.certify(t, w.nodes)
	ask(t, w.podConn(t, c, w.newNode(t, c)), "with the second certificate")
	conn, err := w.agent(t, old)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("a certificate of the previous authority was accepted")
	}
}
