package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/logs"
	"github.com/marina-cloud/marina/internal/tenant"
)

const (
	// gathering is how long a stream waits for more after it was woken: changes
	// come in bursts, and one look shows all of them.
	gathering = 30 * time.Millisecond
	// refresh is how often a stream looks without being woken, sees that its reader
	// may still watch, and shows that it is alive.
	refresh = 15 * time.Second
	// maxStreams are shared out between organizations.
	maxStreams = 1024
)

// ChangeView is one message of the stream: a thing as it is now, which was not known
// or was different before. Kind, which is also the name of the server-sent event,
// says which of the other fields is set.
type ChangeView struct {
	Kind    string       `json:"kind" enum:"cluster,pool,node,event,gone,synced" doc:"What this is about. synced: all that there is was sent; changes follow."`
	Cluster *clusterView `json:"cluster,omitempty"`
	Pool    *poolView    `json:"pool,omitempty"`
	Node    *nodeView    `json:"node,omitempty"`
	Event   *eventView   `json:"event,omitempty" doc:"Something that happened since the stream began."`
	Gone    string       `json:"gone,omitempty" doc:"The id of a cluster, pool or node that is not there any more."`
}

// StreamInput is what somebody wants to watch.
type StreamInput struct {
	Cluster string `query:"cluster_id" maxLength:"64" doc:"Watch this cluster with its node pools, nodes and events; without it, all clusters of the organization."`
}

func (s *server) registerStream(api huma.API) {
	op := needs(identity.ClustersRead, operation("watch", http.MethodGet, "/v1/stream", "Clusters", "Watch clusters as they change", http.StatusOK, 401, 404))
	op.Description = "Server-sent events (text/event-stream). A stream begins with everything that there is and the event synced, " +
		"and goes on with what changes; so whoever was cut off connects again and misses no state. It shows what things are, not each step in between."
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[ChangeView](), true, "")
	huma.Register(api, documented(op, "text/event-stream", schema), s.watch)
}

func (s *server) watch(ctx context.Context, in *StreamInput) (*huma.StreamResponse, error) {
	org, cluster := caller(ctx).Organization, tenant.ClusterID(in.Cluster)
	if cluster != "" {
		if _, err := s.Clusters.Cluster(ctx, org, cluster); err != nil {
			return nil, s.failed(ctx, err)
		}
	}
	leave, ok := s.limits.streams.Enter(org)
	if !ok {
		return nil, tooMany(refresh, "Your organization watches in too many places.")
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer leave()
		r, w := humachi.Unwrap(hctx)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // a proxy in front would hold events back
		out := newPromptWriter(w)
		out.flush()
		if r.Method == http.MethodHead {
			return
		}
		lasting(ctx)
		if err := s.follow(ctx, out, org, cluster); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "stream ended", logs.Request, logs.RequestOf(ctx), logs.Cluster, in.Cluster, "error", err)
		}
	}}, nil
}

// follow sends changes until the reader leaves, or may not watch any more, or there
// is nothing left to watch.
func (s *server) follow(ctx context.Context, out io.Writer, org tenant.OrganizationID, cluster tenant.ClusterID) error {
	watcher, stop := s.Live.Watch(org)
	defer stop()
	view := watched{org: org, cluster: cluster, clusters: s.Clusters, fleet: s.Fleet, view: s.viewCluster}
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	told, whole := picture{}, true
	for first := true; ; first = false {
		events, missed := watcher.Take()
		now, err := view.look(ctx, events, whole || missed)
		if err != nil {
			return err
		}
		changes := told.update(now)
		changes = append(changes, view.happened(events)...)
		if first {
			changes = append(changes, ChangeView{Kind: "synced"})
		}
		if err := send(out, changes, whole); err != nil || now.over {
			return nil // it left, or there will be nothing more to see
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Done():
			return nil
		case <-watcher.Wake():
			whole = false
			time.Sleep(gathering)
		case <-tick.C:
			whole = true
		}
		if again(ctx) != nil {
			return nil
		}
	}
}

// send writes changes, or, to show that the connection lives, that there are none.
func send(out io.Writer, changes []ChangeView, alive bool) error {
	var text bytes.Buffer
	for _, c := range changes {
		data, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode a change: %w", err)
		}
		fmt.Fprintf(&text, "event: %s\ndata: %s\n\n", c.Kind, data)
	}
	if text.Len() == 0 && alive {
		text.WriteString(":\n\n")
	}
	if text.Len() == 0 {
		return nil
	}
	_, err := out.Write(text.Bytes())
	return err
}
