package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"
)

// Limits are what one cluster may have of the way out. They are far above what API
// servers do, which keep connections to each webhook open and use them again.
type Limits struct {
	Connections int           // at once; more wait for one to end
	Dials       rate.Limit    // new connections a second, in the long run
	DialBurst   int           // new connections at once
	Bytes       rate.Limit    // bytes a second, both directions together
	ByteBurst   int           // bytes at once; at least copyBuffer
	Connect     time.Duration // to resolve a name and to be connected
	Idle        time.Duration // without a byte in either direction
	Life        time.Duration // of a connection altogether
}

// DefaultLimits are those of an ordinary cluster.
func DefaultLimits() Limits {
	return Limits{
		Connections: 64, Dials: 10, DialBurst: 64, Bytes: 8 << 20, ByteBurst: 32 << 20,
		Connect: 10 * time.Second, Idle: 2 * time.Minute, Life: time.Hour,
	}
}

// way is the way out of one cluster.
type way struct {
	allowed Allowed
	world   World
	limits  Limits
	log     *slog.Logger
	counted *prometheus.CounterVec
	dials   *rate.Limiter
	bytes   *rate.Limiter
	notes   *rate.Limiter // a tenant must not fill the log

	ctx    context.Context // of all its connections
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	open   sync.WaitGroup // grows under mu, and not after closed
}

func newWay(allowed Allowed, world World, limits Limits, counted *prometheus.CounterVec, log *slog.Logger) *way {
	w := &way{
		allowed: allowed, world: world, limits: limits, counted: counted, log: log,
		dials: rate.NewLimiter(limits.Dials, limits.DialBurst),
		bytes: rate.NewLimiter(limits.Bytes, limits.ByteBurst),
		notes: rate.NewLimiter(1, 20),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// admit bounds how many connections there are at once. Those beyond wait in the
// socket's queue.
func (w *way) admit(ln net.Listener) net.Listener {
	return netutil.LimitListener(ln, w.limits.Connections)
}

// close cuts all connections and returns when they have ended.
func (w *way) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.open.Wait()
}

// enter reports whether a request may begin; if so, the caller calls w.open.Done.
func (w *way) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.open.Add(1)
	return true
}

// ServeHTTP connects the cluster with what it names. The answers to refusals do not
// say why: see Refusal.
func (w *way) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !w.enter() {
		return // the connection is being cut
	}
	defer w.open.Done()
	if r.Method != http.MethodConnect {
		http.Error(rw, "this is a proxy for CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	if !w.dials.Allow() {
		w.counted.WithLabelValues(slowed).Inc()
		w.note("egress slowed down", "target", r.RequestURI)
		http.Error(rw, "too many new connections, try again later", http.StatusTooManyRequests)
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.limits.Connect)
	defer cancel()
	defer context.AfterFunc(r.Context(), cancel)() // the cluster went away
	target, err := ParseTarget(r.RequestURI)
	if err != nil {
		w.counted.WithLabelValues(refused).Inc()
		w.note("egress refused", "why", err)
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := w.connect(ctx, target)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		w.counted.WithLabelValues(refused).Inc()
		w.note("egress refused", "target", target.String(), "why", refusal.Why)
		http.Error(rw, "the target is not allowed", http.StatusForbidden)
		return
	}
	if err != nil {
		w.counted.WithLabelValues(unanswered).Inc()
		w.note("egress found nobody", "target", target.String(), "error", err)
		http.Error(rw, "the target does not answer", http.StatusBadGateway)
		return
	}
	defer out.Close()
	w.counted.WithLabelValues(carried).Inc()
	in, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		http.Error(rw, "no connection to take over", http.StatusInternalServerError)
		return
	}
	defer in.Close()
	w.carry(in, buffered.Reader, out)
}

// connect judges a target and dials what is left of it, in order.
func (w *way) connect(ctx context.Context, t Target) (net.Conn, error) {
	resolved, err := w.resolve(ctx, t)
	if err != nil {
		return nil, err
	}
	own, err := w.world.Own()
	if err != nil {
		return nil, fmt.Errorf("find this machine's addresses: %w", err)
	}
	may, err := Decide(t, resolved, w.allowed, own)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, address := range may[:min(len(may), 4)] {
		conn, err := w.world.Dial(ctx, address)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (w *way) resolve(ctx context.Context, t Target) ([]netip.Addr, error) {
	if a, ok := t.Literal(); ok {
		return []netip.Addr{a}, nil
	}
	resolved, err := w.world.Resolve(ctx, t.Host)
	if err != nil {
		return nil, fmt.Errorf("resolve name: %w", err)
	}
	return resolved, nil
}

// carry tells the cluster that it is connected, and copies until either side ends,
// nothing is said for too long, or its time is over.
func (w *way) carry(in net.Conn, early *bufio.Reader, out net.Conn) {
	ctx, cancel := context.WithTimeout(w.ctx, w.limits.Life)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { in.Close(); out.Close() })
	defer stop()
	if _, err := in.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		return
	}
	both := &pair{bytes: w.bytes, idle: w.limits.Idle, ends: [2]net.Conn{in, out}}
	var wg sync.WaitGroup
	wg.Go(func() { both.copy(ctx, out, early) })
	wg.Go(func() { both.copy(ctx, in, out) })
	wg.Wait()
}

func (w *way) note(msg string, args ...any) {
	if w.notes.Allow() {
		w.log.Info(msg, args...)
	}
}
