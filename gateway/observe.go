package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/logs"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// What an owner sees of the control plane, which runs where he has no access.

func (s *server) registerObserve(api huma.API) {
	const cluster = "/v1/clusters/{cluster_id}"
	text := &huma.Schema{Type: huma.TypeString}
	metrics := needs(identity.ClustersRead, operation("getClusterMetrics", http.MethodGet, cluster+"/metrics", "Clusters",
		"Get the control plane's metrics, for Prometheus", http.StatusOK, 401, 404))
	metrics.Description = "The metrics of the API server, controllers, scheduler and etcd that help an owner, under upstream's names, " +
		"in Prometheus' text format. They are at most five seconds old. A component that does not answer is shown by marina_cluster_up."
	huma.Register(api, documented(metrics, "text/plain", text), s.clusterMetrics)
	read := needs(identity.ClustersRead, operation("getClusterLogs", http.MethodGet, cluster+"/logs", "Clusters",
		"Read or follow a log of the control plane", http.StatusOK, 401, 404, 409))
	read.Description = "Whole lines, as the component wrote them, the oldest first. API server, controllers and scheduler are one process: " +
		"lines that neither controllers nor scheduler signed are shown as the API server's. With follow the answer goes on until the reader leaves."
	huma.Register(api, documented(read, "text/plain", text), s.clusterLogs)
}

func (s *server) clusterMetrics(ctx context.Context, in *ClusterPath) (*document, error) {
	text, err := s.Clusters.Metrics(ctx, caller(ctx).Organization, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &document{ContentType: "text/plain; version=0.0.4; charset=utf-8", Body: text}, nil
}

// LogsInput is what a reader of a log asks for.
type LogsInput struct {
	ClusterPath
	Component string    `query:"component" enum:"apiserver,controller-manager,scheduler,etcd,audit" default:"apiserver" doc:"Whose log."`
	Tail      int       `query:"tail" minimum:"0" maximum:"10000" default:"500" doc:"How many of the newest lines."`
	Since     time.Time `query:"since" doc:"Nothing older than this." example:"2026-11-26T10:00:00Z"`
	Follow    bool      `query:"follow" doc:"Go on with what is written from now on."`
}

func (s *server) clusterLogs(ctx context.Context, in *LogsInput) (*huma.StreamResponse, error) {
	send, err := s.Clusters.Logs(ctx, caller(ctx).Organization, in.cluster(), controlplane.LogQuery{
		Component: controlplane.Component(in.Component), Tail: in.Tail, Since: in.Since, Follow: in.Follow,
	})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		r, w := humachi.Unwrap(hctx)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Accel-Buffering", "no") // a proxy in front would hold lines back
		out := newPromptWriter(w)
		ctx := r.Context()
		if in.Follow {
			out.flush() // the reader sees that it has begun
			if r.Method == http.MethodHead {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				cancel() // there is nothing to wait for
			}
		}
		if err := send(ctx, out); err != nil {
			s.Log.ErrorContext(ctx, "log not sent", logs.Request, logs.RequestOf(ctx), logs.Cluster, in.ID, "component", in.Component, "error", err)
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
	}}, nil
}
