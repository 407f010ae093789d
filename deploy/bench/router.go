package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/installation"
)

// What one run of the router's benchmark does on each way, in turns: what happens on
// the machine besides meets all of them alike.
const (
	getBlocks = 80 // of getsBlock requests one after the other
	getsBlock = 25
	listTurns = 8
	listItems = 400 // of itemBytes: a LIST of 26 MB
	itemBytes = 64 << 10
	connTurns = 4
	connTurn  = 100 // new connections, by connCalls callers
	connCalls = 4
	rawTurns  = 4
	rawBytes  = 128 << 20
)

// router compares ways to one API server: its unix socket directly, the router, and
// HAProxy in the router's place. Each figure is the median of its runs, a ratio that
// of the two figures of one run.
//
// The API server does most of the work of all ways alike. What the ways themselves
// cost shows in carry_throughput_…: there, a server behind them only writes what it
// has, and no end encrypts.
func router(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	k, err := i.Client.CreateCluster(ctx, client.NewCluster{Name: "bench"})
	if err != nil {
		return err
	}
	kube, err := reach(ctx, i.Client, k.ID)
	if err != nil {
		return err
	}
	if err := fill(ctx, kube); err != nil {
		return err
	}
	ways, closeWays, err := openWays(ctx, i, k.ID)
	if err != nil {
		return err
	}
	defer closeWays()
	for n := range m.runs {
		s := m.log.Begin("Run %d of %d", n+1, m.runs)
		if err := routerOnce(ctx, m, ways); err != nil {
			s.Failed()
			return err
		}
		s.Done("Run %d of %d", n+1, m.runs)
	}
	return nil
}

// fill makes a small object, and many that are large together.
func fill(ctx context.Context, kube kubernetes.Interface) error {
	if err := use(ctx, kube); err != nil { // makes the small one
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for n := range listItems {
		group.Go(func() error {
			o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("large-%d", n)}, Data: map[string]string{"data": strings.Repeat("marina ", itemBytes/7)}}
			_, err := kube.CoreV1().ConfigMaps("kube-public").Create(ctx, o, metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

func routerOnce(ctx context.Context, m *measurement, ways []*way) error {
	// A run has connections of its own: how fast one is depends on what TCP's
	// congestion control has learned about it, and keeps.
	for _, w := range ways {
		w.kept.CloseIdleConnections()
		if _, err := w.get(ctx, w.kept, "/version"); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	for _, measure := range []func(context.Context, *measurement, []*way) error{gets, lists, connections, carries} {
		if err := measure(ctx, m, ways); err != nil {
			return err
		}
	}
	return nil
}

// gets measures the latency of a small GET for one client that keeps its connection.
func gets(ctx context.Context, m *measurement, ways []*way) error {
	taken := make([][]time.Duration, len(ways))
	err := inTurns(ways, getBlocks, func(n int, w *way) error {
		for range getsBlock {
			began := time.Now()
			if _, err := w.get(ctx, w.kept, "/api/v1/namespaces/default/configmaps/bench"); err != nil {
				return err
			}
			taken[n] = append(taken[n], time.Since(began))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, of := range []struct {
		name string
		part float64
	}{{"p50", 0.50}, {"p99", 0.99}} {
		figures := make([]float64, len(ways))
		for n := range ways {
			slices.Sort(taken[n])
			figures[n] = float64(taken[n][int(of.part*float64(len(taken[n])))].Microseconds()) / 1000
		}
		m.compare(ways, "get_"+of.name, "ms", figures)
	}
	return nil
}

// lists measures how fast a large LIST arrives.
func lists(ctx context.Context, m *measurement, ways []*way) error {
	return rates(m, ways, listTurns, "list_throughput", "mb_per_s", func(w *way) (float64, error) {
		n, err := w.get(ctx, w.kept, "/api/v1/namespaces/kube-public/configmaps?resourceVersion=0")
		return float64(n) / 1e6, err
	})
}

// connections measures new connections: TLS with a client certificate, and one
// request, since only its answer shows that the server took the certificate.
func connections(ctx context.Context, m *measurement, ways []*way) error {
	return rates(m, ways, connTurns, "new_connections", "per_s", func(w *way) (float64, error) {
		var left atomic.Int64
		left.Store(connTurn)
		group, ctx := errgroup.WithContext(ctx)
		for range connCalls {
			group.Go(func() error {
				for left.Add(-1) >= 0 {
					if _, err := w.get(ctx, w.fresh, "/version"); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return connTurn, group.Wait()
	})
}

// carries measures how fast bytes are carried that cost nobody anything else.
func carries(ctx context.Context, m *measurement, ways []*way) error {
	return rates(m, ways, rawTurns, "carry_throughput", "mb_per_s", func(w *way) (float64, error) {
		return rawBytes / 1e6, w.readRaw(ctx)
	})
}

// rates measures how much of something happens in a second on each way.
func rates(m *measurement, ways []*way, turns int, name, unit string, do func(*way) (amount float64, err error)) error {
	amounts, seconds := make([]float64, len(ways)), make([]float64, len(ways))
	err := inTurns(ways, turns, func(n int, w *way) error {
		began := time.Now()
		amount, err := do(w)
		amounts[n] += amount
		seconds[n] += time.Since(began).Seconds()
		return err
	})
	if err != nil {
		return err
	}
	for n := range amounts {
		amounts[n] /= seconds[n]
	}
	m.compare(ways, name, unit, amounts)
	return nil
}

// inTurns does something on each way, so many times. Who comes after whom is chance:
// what one leaves to be done, such as a garbage collection, the next one pays.
func inTurns(ways []*way, turns int, do func(n int, w *way) error) error {
	for range turns {
		for _, n := range rand.Perm(len(ways)) {
			if err := do(n, ways[n]); err != nil {
				return fmt.Errorf("%s: %w", ways[n].name, err)
			}
		}
	}
	return nil
}

// compare records a figure of each way, and the ratios of the router's to the
// others'.
func (m *measurement) compare(ways []*way, name, unit string, figures []float64) {
	router := figures[slices.IndexFunc(ways, func(w *way) bool { return w.name == wayRouter })]
	base := name
	if unit == "per_s" {
		base += "_" + unit
	}
	for n, w := range ways {
		m.record(name+"_"+unit+"_"+w.name, figures[n])
		if w.name != wayRouter {
			m.record(base+"_ratio_"+w.name, router/figures[n])
		}
	}
}

// get reads a whole answer and returns its length.
func (w *way) get(ctx context.Context, client *http.Client, path string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+w.name+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := discard(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return n, err
}
