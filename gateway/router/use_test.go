package router_test

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/tenant"
)

// TestUse: clusters with connections are in use, those that are only asked for are
// not.
func TestUse(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	short := newCluster(t).serveAPI(t, echo).publish(t, w)
	long := newCluster(t).serveAPI(t, echo).publish(t, w)
	newCluster(t).serveAPI(t, echo).publish(t, w) // idle
	unknown := newCluster(t)

	var mu sync.Mutex
	told := map[tenant.ClusterID]int{}
	times := func(id tenant.ClusterID) int {
		mu.Lock()
		defer mu.Unlock()
		return told[id]
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready := make(chan net.Addr, 1)
	config := w.config
	config.Listen, config.TellUse = "127.0.0.1:0", 10*time.Millisecond
	config.Ready = func(_ router.Side, a net.Addr) { ready <- a }
	config.Used = func(id tenant.ClusterID) {
		mu.Lock()
		defer mu.Unlock()
		told[id]++
	}
	ran := make(chan error, 1)
	go func() { ran <- router.Run(ctx, config) }()
	address := (<-ready).String()

	once, err := tls.Dial("tcp", address, short.client())
	check(t, err)
	ask(t, once, "hello")
	check(t, once.Close())
	if _, err := tls.Dial("tcp", address, unknown.client()); err == nil {
		t.Error("connected to a cluster that is none")
	}
	open, err := tls.Dial("tcp", address, long.client())
	check(t, err)
	ask(t, open, "hello")

	eventually(t, "a short connection is told", func() bool { return times(short.id) > 0 })
	eventually(t, "an open connection is told again", func() bool { return times(long.id) > 2 })
	check(t, open.Close())
	stop()
	check(t, <-ran)
	mu.Lock()
	defer mu.Unlock()
	for id := range told {
		if !slices.Contains([]tenant.ClusterID{short.id, long.id}, id) {
			t.Errorf("%s is in use, which nobody connected to", id)
		}
	}
}

// TestLastUse: what was used just before the end is told, too.
func TestLastUse(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready, told := make(chan net.Addr, 1), make(chan tenant.ClusterID, 10)
	config := w.config
	config.Listen, config.TellUse = "127.0.0.1:0", time.Hour
	config.Ready = func(_ router.Side, a net.Addr) { ready <- a }
	config.Used = func(id tenant.ClusterID) { told <- id }
	ran := make(chan error, 1)
	go func() { ran <- router.Run(ctx, config) }()
	conn, err := tls.Dial("tcp", (<-ready).String(), c.client())
	check(t, err)
	ask(t, conn, "hello")
	check(t, conn.Close())
	stop()
	check(t, <-ran)
	select {
	case id := <-told:
		if id != c.id {
			t.Errorf("told %s, want %s", id, c.id)
		}
	default:
		t.Error("nothing was told at the end")
	}
}
