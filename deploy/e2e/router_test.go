//go:build integration

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// session is what somebody has open while the hosting layer changes: a watch, and
// an exec into a pod.
type session struct {
	kube  *kubernetes.Clientset
	ns    string
	watch watch.Interface
	in    io.Writer
	out   *bufio.Reader
	n     int
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
	// One request without an end: this is no watcher that would begin anew.
	if s.watch, err = s.kube.CoreV1().ConfigMaps(ns).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=seen"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.watch.Stop)
	ctx, cancel := context.WithCancel(context.Background())
	exec := c.command(ctx, "exec", "-i", "deploy/hello", "--", "cat")
	out, err := exec.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.in, err = exec.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := exec.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = exec.Wait() // it was killed
	})
	s.out = bufio.NewReader(out)
	return s
}

// works fails the test unless what is open still carries something in both
// directions.
func (s *session) works(t *testing.T, when string) {
	t.Helper()
	s.n++
	configMaps := s.kube.CoreV1().ConfigMaps(s.ns)
	seen := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "seen"}, Data: map[string]string{"n": fmt.Sprint(s.n)}}
	var err error
	if s.n == 1 {
		_, err = configMaps.Create(t.Context(), seen, metav1.CreateOptions{})
	} else {
		_, err = configMaps.Update(t.Context(), seen, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatalf("%s: write what the watch should see: %v", when, err)
	}
	select {
	case e, open := <-s.watch.ResultChan():
		if got, ok := e.Object.(*corev1.ConfigMap); !open || !ok || got.Data["n"] != seen.Data["n"] {
			t.Fatalf("%s: the watch saw %v %v (open: %t)", when, e.Type, e.Object, open)
		}
	case <-time.After(patience):
		t.Fatalf("%s: the watch saw nothing", when)
	}
	line := fmt.Sprintf("line %d\n", s.n)
	if _, err := io.WriteString(s.in, line); err != nil {
		t.Fatalf("%s: say something to the pod: %v", when, err)
	}
	heard := make(chan string, 1)
	go func() {
		answer, _ := s.out.ReadString('\n')
		heard <- answer
	}()
	select {
	case answer := <-heard:
		if answer != line {
			t.Fatalf("%s: the pod answered %q, want %q", when, answer, line)
		}
	case <-time.After(patience):
		t.Fatalf("%s: the pod does not answer", when)
	}
}

// TestOpenConnectionsLiveOn: a watch and an exec go on while marina is killed and
// started again, and while the router is replaced, twice. Meanwhile no new
// connection fails, either.
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

	for range 2 {
		before := find(t, host.RouterFile)
		out, err := marina.Run(t.Context(), "router", "replace", "--json")
		if err != nil {
			t.Fatal(err)
		}
		var now struct{ PID, Before, Waiting int }
		if err := json.Unmarshal(out, &now); err != nil {
			t.Fatal(err)
		}
		if at := find(t, host.RouterFile); now.Before != before.PID || now.PID != at.PID || now.PID == before.PID || at.Address != before.Address {
			t.Errorf("`marina router replace` says %s; process %d at %s serves after process %d at %s", out, at.PID, at.Address, before.PID, before.Address)
		}
		s.works(t, "after the router was replaced")
		more("after the router was replaced")
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
