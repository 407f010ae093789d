package nodeapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/authority"
)

// Limits of pulling images through the platform.
const (
	maxPulls  = 64               // requests at once, of all nodes; containerd makes three at a time
	ofCluster = maxPulls / 4     // of them one cluster's
	pullLimit = 15 * time.Minute // for one layer
)

var (
	errNoMirror    = fault.New(fault.NotFound, "no_mirror", "The platform has no registry mirror.")
	errManyPulls   = fault.New(fault.Exhausted, "too_many_pulls", "Nodes pull as many images at once as the platform carries. Try again in a moment.")
	errMirrorFails = fault.New(fault.Unavailable, "mirror_unavailable", "The platform's registry mirror does not answer.")
)

// images passes what nodes pull on to the operator's registry mirror. It only
// reads, and takes nothing along that a node sent besides what it asks for: a
// user's credentials are for the registry that the user named.
//
// A node asks here before it asks the image's own registry (containerd,
// docs/hosts.md), so "not found" costs it a round trip and nothing else.
type images struct {
	proxy *httputil.ReverseProxy // nil: there is no mirror
	pulls pulls
}

func newImages(mirror *url.URL, log *slog.Logger) *images {
	i := &images{pulls: pulls{of: map[tenant.ClusterID]int{}}}
	if mirror == nil {
		return i
	}
	i.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			asked := r.In.Header
			r.Out.Header = http.Header{}
			for _, name := range []string{"Accept", "Range", "If-None-Match"} {
				if v, ok := asked[name]; ok {
					r.Out.Header[name] = v
				}
			}
			r.SetURL(mirror)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				log.WarnContext(r.Context(), "registry mirror does not answer", "path", r.URL.Path, "error", err)
			}
			refuse(w, errMirrorFails)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return i
}

// pull serves a node that is expected, and nobody else.
func (a *API) pull(w http.ResponseWriter, r *http.Request) {
	cluster, err := a.mayPull(r)
	if err != nil {
		refuse(w, fault.From(err))
		return
	}
	if a.images.proxy == nil {
		refuse(w, errNoMirror)
		return
	}
	if !a.images.pulls.enter(cluster) {
		refuse(w, errManyPulls)
		return
	}
	defer a.images.pulls.leave(cluster)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pullLimit)); err != nil {
		refuse(w, fault.From(fmt.Errorf("give a pull its time: %w", err)))
		return
	}
	a.images.proxy.ServeHTTP(w, r)
}

// mayPull returns whose node it is that asks.
func (a *API) mayPull(r *http.Request) (tenant.ClusterID, error) {
	if len(r.TLS.PeerCertificates) == 0 {
		return "", fleet.ErrNotExpected
	}
	id, cluster, ok := authority.Identity(r.TLS.PeerCertificates[0])
	if !ok {
		return "", fleet.ErrNotExpected
	}
	_, _, err := a.Store.Expected(r.Context(), cluster, id)
	return cluster, err
}

// pulls counts those that are under way, by cluster. It is safe for concurrent use.
type pulls struct {
	mu  sync.Mutex
	all int
	of  map[tenant.ClusterID]int
}

func (p *pulls) enter(c tenant.ClusterID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= maxPulls || p.of[c] >= ofCluster {
		return false
	}
	p.all++
	p.of[c]++
	return true
}

func (p *pulls) leave(c tenant.ClusterID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.of[c]--; p.of[c] == 0 {
		delete(p.of, c)
	}
}
