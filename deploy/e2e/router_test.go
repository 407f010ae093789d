//go:build integration

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	corev1 "k8s.io/api/core/v1"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
)

// session is what somebody has open while the hosting layer changes.
type session struct {
	kube  *kubernetes.Clientset
	ns    string
	n     int
	watch watch.Interface
	// What says a line: the pod that an exec talks to.
	echo   io.Writer
	echoed <-chan string
	// What a pod sees that watches through kubernetes.default.
	inside <-chan string
	// A connection to a pod's web server through a port-forward.
	forward net.Conn
	answers *bufio.Reader
}

func openSession(t *testing.T, c cluster, ns string) *session {
	t.Helper()
	namespace(t, c, ns)
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{ns: ns}
	if s.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "", "-n", ns, "create", "rolebinding", "view", "--clusterrole=view", "--serviceaccount="+ns+":default")
	c.kubectl(t, clientPod(ns), "apply", "-f", "-")
	ready(t, c, ns, "client")

	// One request without an end each: these are no watchers that would begin anew.
	if s.watch, err = s.kube.CoreV1().ConfigMaps(ns).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=seen"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.watch.Stop)
	s.write(t, "before") // so that the watch inside begins with something that shows that it has begun
	s.sees(t, "before")
	_, s.inside = c.open(t, insideArgs(ns, "get", "configmap", "seen", "--watch", "-o", `jsonpath={.data.n}{"\n"}`)...)
	hears(t, "the watch inside begins", s.inside, fmt.Sprint(s.n))
	s.echo, s.echoed = c.open(t, "exec", "-i", "deploy/hello", "--", "cat")
	_, forwards := c.open(t, "port-forward", "deploy/hello", ":8080")
	var said string
	select {
	case said = <-forwards:
	case <-time.After(patience):
	}
	if s.forward, err = net.DialTimeout("tcp", regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(said), patience); err != nil {
		t.Fatalf("kubectl port-forward says %q: %v", said, err)
	}
	t.Cleanup(func() { _ = s.forward.Close() })
	s.answers = bufio.NewReader(s.forward)
	return s
}

// open starts a kubectl that runs until the test ends, and returns what it hears and
// the lines that it says.
func (c cluster) open(t *testing.T, args ...string) (in io.Writer, lines <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := c.command(ctx, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string)
	go func() {
		defer close(said)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case said <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	return in, said
}

// hears fails the test unless the next line is the one wanted.
func hears(t *testing.T, when string, lines <-chan string, want string) {
	t.Helper()
	select {
	case line, open := <-lines:
		if line != want {
			t.Fatalf("%s: heard %q (open: %t), want %q", when, line, open, want)
		}
	case <-time.After(patience):
		t.Fatalf("%s: heard nothing, want %q", when, want)
	}
}

// write writes what all who watch should see.
func (s *session) write(t *testing.T, when string) {
	t.Helper()
	s.n++
	configMaps := s.kube.CoreV1().ConfigMaps(s.ns)
	seen := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "seen"}, Data: map[string]string{"n": fmt.Sprint(s.n)}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if s.n == 1 {
		_, err = configMaps.Create(ctx, seen, metav1.CreateOptions{})
	} else {
		_, err = configMaps.Update(ctx, seen, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatalf("%s: write what the watches should see: %v", when, err)
	}
}

func (s *session) sees(t *testing.T, when string) {
	t.Helper()
	select {
	case e, open := <-s.watch.ResultChan():
		if got, ok := e.Object.(*corev1.ConfigMap); !open || !ok || got.Data["n"] != fmt.Sprint(s.n) {
			t.Fatalf("%s: the watch saw %v %v (open: %t)", when, e.Type, e.Object, open)
		}
	case <-time.After(patience):
		t.Fatalf("%s: the watch saw nothing", when)
	}
}

// works fails the test unless what is open still carries something in both
// directions.
func (s *session) works(t *testing.T, when string) {
	t.Helper()
	s.write(t, when)
	s.sees(t, when)
	hears(t, when+": a pod that watches", s.inside, fmt.Sprint(s.n))
	line := fmt.Sprintf("line %d", s.n)
	if _, err := io.WriteString(s.echo, line+"\n"); err != nil {
		t.Fatalf("%s: say something to the pod: %v", when, err)
	}
	hears(t, when+": exec", s.echoed, line)
	if err := s.forward.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s.forward, "GET /echo?msg="+fmt.Sprint(s.n)+" HTTP/1.1\r\nHost: hello\r\n\r\n"); err != nil {
		t.Fatalf("%s: ask through the port-forward: %v", when, err)
	}
	resp, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		t.Fatalf("%s: the port-forward does not answer: %v", when, err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != fmt.Sprint(s.n) {
		t.Fatalf("%s: through the port-forward came %q, %v", when, body, err)
	}
}

// TestOpenConnectionsLiveOn: a watch, an exec, a port-forward and a pod's own watch
// go on while marina is killed and started again, while the router is replaced, and
// during an upgrade. Meanwhile no new connection fails, either.
func TestOpenConnectionsLiveOn(t *testing.T) {
	c := demo()
	s := openSession(t, c, "lives-on")
	s.works(t, "before")

	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	fresh := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}, Timeout: patience}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var made atomic.Int64
	for range 2 {
		clients.Go(func() {
			for ctx.Err() == nil {
				res, err := fresh.Get(config.Host + "/api/v1/namespaces/default")
				if err != nil {
					t.Errorf("a new connection: %v", err)
					return
				}
				if res.Body.Close(); res.StatusCode != http.StatusOK {
					t.Errorf("a new connection: %s", res.Status)
				}
				made.Add(1)
			}
		})
	}
	defer clients.Wait()
	defer stop()
	more := func(when string) {
		t.Helper()
		enough := made.Load() + 50
		eventually(t, "new connections "+when, func() (bool, string) { n := made.Load(); return n >= enough || t.Failed(), fmt.Sprint(n) })
	}
	more("before")

	server, first := find(t, host.ServerFile), find(t, host.RouterFile)
	kill(t, server)
	s.works(t, "while marina is dead")
	more("while marina is dead")
	if _, err := marina.Start(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.works(t, "after marina was started again")
	if now := find(t, host.RouterFile); now.PID != first.PID {
		t.Errorf("the router is process %d, was %d, which was not of another build", now.PID, first.PID)
	}

	before := first
	replaced := func(how string) {
		t.Helper()
		now := find(t, host.RouterFile)
		if now.PID == before.PID || now.Address != before.Address {
			t.Errorf("%s: process %d at %s serves after process %d at %s", how, now.PID, now.Address, before.PID, before.Address)
		}
		before = now
		s.works(t, "after "+how)
		more("after " + how)
	}
	out, err := marina.Run(t.Context(), "router", "replace", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ PID, Before int }
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	if said.Before != before.PID || said.PID != find(t, host.RouterFile).PID {
		t.Errorf("`marina router replace` says %s after process %d", out, before.PID)
	}
	replaced("`marina router replace`")

	original := marina.Marina
	t.Cleanup(func() { marina.Marina = original }) // whose files outlive this test, also when it fails
	if err := marina.Upgrade(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"an upgrade", "the way back"} {
		kill(t, find(t, host.ServerFile))
		if _, err := marina.Start(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		replaced(how)
		marina.Marina = original
	}
	if !first.Alive() {
		t.Error("the first router has ended, although it carries open connections")
	}
	h, err := home.At(marina.Home)
	if err != nil {
		t.Fatal(err)
	}
	all, err := host.Routers(h)
	if err != nil || len(all) < 2 || all[0].PID != first.PID || all[0].Serving {
		t.Errorf("routers: %+v, %v; want the first to wait for its connections", all, err)
	}
	// What a new router carries reaches the nodes, too.
	if out := c.kubectl(t, "", "exec", "deploy/hello", "--", "hostname"); out == "" {
		t.Error("a new exec says nothing")
	}
}
