package pki

import (
	"crypto/x509"
	"net"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

var day = 24 * time.Hour

func newAuthority(t *testing.T, now time.Time) Authority {
	t.Helper()
	a, err := NewAuthority("test", now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(t *testing.T, data []byte, err error) *x509.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := decodeCertificate(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func roots(a Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

func TestSignClient(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := newAuthority(t, now)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	data, err := a.SignClient(key.Public(), Client{CommonName: "usr-1", Organizations: []string{"marina:admins"}}, time.Hour, now)
	c := parse(t, data, err)
	if c.Subject.CommonName != "usr-1" || !slices.Equal(c.Subject.Organization, []string{"marina:admins"}) || c.IsCA {
		t.Errorf("subject = %s, authority %v; want the client's and no authority", c.Subject, c.IsCA)
	}
	for _, tc := range []struct {
		why   string
		at    time.Time
		usage x509.ExtKeyUsage
		good  bool
	}{
		{"it is for clients", now, x509.ExtKeyUsageClientAuth, true},
		{"a client's certificate must not serve", now, x509.ExtKeyUsageServerAuth, false},
		{"clocks differ by some seconds", now.Add(-50 * time.Second), x509.ExtKeyUsageClientAuth, true},
		{"it is not backdated any further", now.Add(-2 * time.Minute), x509.ExtKeyUsageClientAuth, false},
		{"it ends", now.Add(61 * time.Minute), x509.ExtKeyUsageClientAuth, false},
	} {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots(a), CurrentTime: tc.at, KeyUsages: []x509.ExtKeyUsage{tc.usage}})
		if (err == nil) != tc.good {
			t.Errorf("Verify = %v, want good: %v: %s", err, tc.good, tc.why)
		}
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots(newAuthority(t, now)), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("another authority accepts it")
	}
	if _, err := a.SignClient(key.Public(), Client{CommonName: "x"}, 0, now); err == nil {
		t.Error("a certificate without a life was signed")
	}
	data, err = a.SignClient(key.Public(), Client{CommonName: "x"}, 100*365*day, now)
	if c := parse(t, data, err); !c.NotAfter.Equal(a.Certificate.NotAfter) {
		t.Errorf("it ends at %v, want it to end with its authority at %v", c.NotAfter, a.Certificate.NotAfter)
	}
}

func TestLeavesServeTheirNames(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := newAuthority(t, now)
	wanted, err := leaves(controlplane.Cluster{ID: "kc-1", ServiceCIDR: "10.96.0.0/12"}, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{
		APIServerCert: {
			"kc-1.example.org", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			"localhost", "127.0.0.1", "10.96.0.1", "192.0.2.1",
		},
		TunnelServerCert: {"tunnel.kc-1.example.org"},
	}
	for _, l := range wanted {
		cert, key, err := l.issue(a, now)
		c := parse(t, cert, err)
		if !l.good(a.Certificate, cert, key, now) {
			t.Errorf("%s is not good when it is new", l.cert)
		}
		for _, name := range names[l.cert] {
			if err := c.VerifyHostname(name); err != nil {
				t.Errorf("%s: %v", l.cert, err)
			}
		}
		if err := c.VerifyHostname("kc-2.example.org"); err == nil {
			t.Errorf("%s serves another cluster's name", l.cert)
		}
		if l.client != nil && len(c.Subject.Organization) > 0 {
			t.Errorf("%s has the groups %v; want RBAC to decide by the user's name alone", l.cert, c.Subject.Organization)
		}
		delete(names, l.cert)
	}
	if len(names) > 0 {
		t.Errorf("no certificates for %v", names)
	}
}

func TestGood(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := newAuthority(t, now)
	server := leaf{server: &Server{CommonName: "s", Names: []string{"a"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}}}
	client := leaf{client: &Client{CommonName: "c"}}
	cert, key, err := server.issue(a, now)
	if err != nil {
		t.Fatal(err)
	}
	clientCert, clientKey, err := client.issue(a, now)
	if err != nil {
		t.Fatal(err)
	}
	oldCert, oldKey, err := client.issue(a, a.Certificate.NotAfter.Add(-5*day))
	if err != nil {
		t.Fatal(err)
	}
	renamed := leaf{server: &Server{CommonName: "s", Names: []string{"a", "b"}, Addresses: server.server.Addresses}}
	for name, tc := range map[string]struct {
		why       string
		leaf      leaf
		ca        Authority
		cert, key []byte
		at        time.Time
		want      bool
	}{
		"Fresh":           {"it is as it should be", server, a, cert, key, now, true},
		"FreshClient":     {"it is as it should be", client, a, clientCert, clientKey, now, true},
		"HalfWay":         {"renewal takes place ten days before the end", server, a, cert, key, now.Add(19 * day), true},
		"NearItsEnd":      {"less than ten days are left", server, a, cert, key, now.Add(21 * day), false},
		"NotYet":          {"the clock was wrong when it was made", server, a, cert, key, now.Add(-day), false},
		"OtherAuthority":  {"the authority was replaced", server, newAuthority(t, now), cert, key, now, false},
		"OtherKey":        {"a renewal was cut off between the two files", server, a, cert, clientKey, now, false},
		"NoKey":           {"a file is missing", server, a, cert, nil, now, false},
		"NoCertificate":   {"a file is missing", server, a, nil, key, now, false},
		"HalfAFile":       {"a file is damaged", server, a, cert[:len(cert)/2], key, now, false},
		"OtherNames":      {"the installation's domain changed", renamed, a, cert, key, now, false},
		"OtherUser":       {"the client is called something else now", leaf{client: &Client{CommonName: "d"}}, a, clientCert, clientKey, now, false},
		"AuthorityAtEnd":  {"a fresh one would end no later: it must not be made again and again", client, a, oldCert, oldKey, a.Certificate.NotAfter.Add(-5 * day), true},
		"ClientForServer": {"a client's certificate cannot serve", server, a, clientCert, clientKey, now, false},
	} {
		if got := tc.leaf.good(tc.ca.Certificate, tc.cert, tc.key, tc.at); got != tc.want {
			t.Errorf("%s: good = %v, want %v: %s", name, got, tc.want, tc.why)
		}
	}
}

func TestFirstAddress(t *testing.T) {
	t.Parallel()
	for cidr, want := range map[string]string{"10.96.0.0/12": "10.96.0.1", "10.97.3.4/12": "10.96.0.1", "fd00:1::/108": "fd00:1::1"} {
		if got, err := firstAddress(cidr); err != nil || got.String() != want {
			t.Errorf("firstAddress(%s) = %v, %v; want %s", cidr, got, err, want)
		}
	}
	if _, err := firstAddress("10.96.0.0"); err == nil {
		t.Error("an address was taken for a network")
	}
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	data, err := Kubeconfig{
		Cluster: "demo", User: "usr-1", Server: "https://203.0.113.5:6443", ServerName: "kc-1.example.org",
		CA: []byte("ca"), Certificate: []byte("cert"), Key: []byte("key"),
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	tls := c.TLSClientConfig
	if c.Host != "https://203.0.113.5:6443" || tls.ServerName != "kc-1.example.org" || string(tls.CAData) != "ca" || string(tls.CertData) != "cert" || string(tls.KeyData) != "key" || tls.Insecure {
		t.Errorf("a client reads %+v", c)
	}
}

// BenchmarkGenerate makes all keys and certificates of a new cluster.
func BenchmarkGenerate(b *testing.B) {
	c := controlplane.Cluster{ID: "kc-1", ServiceCIDR: "10.96.0.0/12"}
	wanted, err := leaves(c, "example.org")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		now := time.Now()
		for _, name := range append([]string{serviceAccount}, authorities...) {
			if _, _, err := generate(c.ID, name, now); err != nil {
				b.Fatal(err)
			}
		}
		a, err := NewAuthority("test", now)
		if err != nil {
			b.Fatal(err)
		}
		for _, l := range wanted {
			if _, _, err := l.issue(a, now); err != nil {
				b.Fatal(err)
			}
		}
	}
}
