package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// The API server lists events by name and not by time: they are read page by page, up
// to a bound, and then the newest of them are shown.
const (
	eventsAtOnce  = 500
	maxEventPages = 4
)

// KubernetesEvents returns up to limit of the newest events, as a person sees them, of a
// namespace or, when it is empty, of all of them.
func (s *Clusters) KubernetesEvents(ctx context.Context, id tenant.ClusterID, who controlplane.Person, namespace string, limit int) (out controlplane.KubernetesEvents, err error) {
	path, err := namespaced(namespace, "events")
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, askIn)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(eventsAtOnce)}}
	for range maxEventPages {
		data, err := s.ask(ctx, id, who, path, query, "application/json")
		if err != nil {
			return out, err
		}
		var list eventList
		if err := json.Unmarshal(data, &list); err != nil {
			return out, fmt.Errorf("read events of a cluster: %w", err)
		}
		for _, e := range list.Items {
			out.Items = append(out.Items, e.view())
		}
		out.More = list.Metadata.Continue != ""
		if !out.More {
			break
		}
		query.Set("continue", list.Metadata.Continue)
	}
	slices.SortStableFunc(out.Items, func(a, b controlplane.KubernetesEvent) int { return b.LastSeen.Compare(a.LastSeen) })
	if len(out.Items) > limit {
		out.Items, out.More = out.Items[:limit], true
	}
	return out, nil
}

type eventList struct {
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Items []event `json:"items"`
}

// event is what is read of a core/v1 Event. Newer components leave the last times to
// the series, or have but one time.
type event struct {
	Metadata struct {
		Namespace         string    `json:"namespace"`
		CreationTimestamp time.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Object struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"involvedObject"`
	Type          string    `json:"type"`
	Reason        string    `json:"reason"`
	Message       string    `json:"message"`
	Count         int       `json:"count"`
	LastTimestamp time.Time `json:"lastTimestamp"`
	EventTime     time.Time `json:"eventTime"`
	Series        struct {
		Count        int       `json:"count"`
		LastObserved time.Time `json:"lastObservedTime"`
	} `json:"series"`
}

func (e event) view() controlplane.KubernetesEvent {
	return controlplane.KubernetesEvent{
		Namespace: printable(e.Metadata.Namespace, maxName), Warning: e.Type == "Warning", Reason: printable(e.Reason, maxName),
		Object: printable(e.Object.Kind, maxName) + "/" + printable(e.Object.Name, maxName), Message: printable(e.Message, maxText),
		Count: max(e.Series.Count, e.Count, 1), LastSeen: cmp.Or(e.Series.LastObserved, e.LastTimestamp, e.EventTime, e.Metadata.CreationTimestamp),
	}
}
