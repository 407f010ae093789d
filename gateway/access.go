package gateway

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/logs"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/tenant"
)

type accessKey struct{}

// access is what is found out about a request while it is answered.
type access struct {
	caller  identity.Caller
	cluster tenant.ClusterID // that the path does not name: one that was made
	leave   []func()         // its places among the requests that are worked on
}

// occupies notes that a request has a place, and returns what leaves it.
func occupies(ctx context.Context, leave func()) (once func()) {
	once = sync.OnceFunc(leave)
	if a, ok := ctx.Value(accessKey{}).(*access); ok {
		a.leave = append(a.leave, once)
	}
	return once
}

// lasting says that a request goes on for as long as somebody watches: it leaves its
// places to requests that are worked on.
func lasting(ctx context.Context) {
	if a, ok := ctx.Value(accessKey{}).(*access); ok {
		for _, leave := range a.leave {
			leave()
		}
	}
}

// knownCaller notes who sent a request, for its line in the log.
func knownCaller(ctx context.Context, c identity.Caller) {
	if a, ok := ctx.Value(accessKey{}).(*access); ok {
		a.caller = c
	}
}

// knownCluster notes which cluster a request has made: the lines of what is done for
// it from then on name the cluster.
func knownCluster(ctx context.Context, id tenant.ClusterID) {
	if a, ok := ctx.Value(accessKey{}).(*access); ok {
		a.cluster = id
	}
}

// begin gives a request its id, which whoever reports a problem can quote, and
// writes a line about it when it was answered. A client's own id is taken if it is
// a good one, so that its logs and ours can be read together.
func (s *server) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !logs.GoodRequest(id) {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)
		found, begun := &access{}, time.Now()
		answered := s.HTTP.Begin(metrics.API, r.Method)
		ctx := context.WithValue(logs.WithRequest(r.Context(), id), accessKey{}, found)
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			route := chi.RouteContext(ctx).RoutePattern()
			status := ww.Status()
			if status == 0 {
				status = http.StatusOK // what net/http writes then
			}
			answered(route, status)
			s.noteAccess(ctx, r, found, route, status, ww.BytesWritten(), time.Since(begun))
		}()
		next.ServeHTTP(ww, r.WithContext(ctx))
	})
}

// noteAccess writes the line about a request. The path of an address that does not
// exist is left out, and so is every query: people put secrets there.
func (s *server) noteAccess(ctx context.Context, r *http.Request, found *access, route string, status, bytes int, took time.Duration) {
	attrs := []slog.Attr{
		slog.String(logs.Request, logs.RequestOf(ctx)), slog.String("method", r.Method), slog.String("route", route),
		slog.Int("status", status), slog.Int("bytes", bytes), slog.Duration("took", took), slog.String("address", address(ctx)),
	}
	if found.caller.Organization != "" {
		attrs = append(attrs, slog.String("organization", string(found.caller.Organization)), slog.String("user", string(found.caller.User)))
	}
	if id, ok := tenant.ParseClusterID(chi.URLParamFromCtx(ctx, "cluster_id")); ok {
		found.cluster = id
	}
	if found.cluster != "" {
		attrs = append(attrs, slog.String(logs.Cluster, string(found.cluster)))
	}
	level := slog.LevelInfo
	switch {
	case strings.HasSuffix(route, "z") && status < http.StatusInternalServerError: // probes come every second
		level = slog.LevelDebug
	case route == "" && status == http.StatusTooManyRequests: // by admit: a flood is counted, and pushes nothing else out of the log
		level = slog.LevelDebug
	}
	s.Log.LogAttrs(context.WithoutCancel(ctx), level, "request answered", attrs...)
}
