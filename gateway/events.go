package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/event"
)

type eventView struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind" example:"controlplane.cluster.running"`
	Subject string    `json:"subject" doc:"The id of what it happened to."`
	Message string    `json:"message" example:"The cluster is running."`
	At      time.Time `json:"at"`
}

func viewEvent(e event.Event) eventView {
	return eventView{ID: e.ID, Kind: string(e.Kind), Subject: e.Subject, Message: e.Message, At: e.At}
}

func (s *server) registerEvents(api huma.API) {
	huma.Register(api, needs(identity.ClustersRead, operation("listEvents", http.MethodGet, "/v1/clusters/{cluster_id}/events", "Clusters",
		"List what happened to a cluster and its nodes in the last 30 days, the oldest first", http.StatusOK, 401, 404)), s.listEvents)
}

func (s *server) listEvents(ctx context.Context, in *struct {
	ClusterPath
	PageInput
}) (*pageOutput[eventView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	events, err := s.Clusters.Events(ctx, caller(ctx).Organization, in.cluster(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(events, in.Limit, func(e event.Event) string { return e.ID }, viewEvent), nil
}
