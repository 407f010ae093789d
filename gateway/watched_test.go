package gateway

import (
	"slices"
	"testing"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
)

func TestChanged(t *testing.T) {
	got := changed([]event.Event{
		{Cluster: "kc-a", Subject: "kc-a"}, {Cluster: "kc-a", Subject: "nd-1"}, {Cluster: "kc-b", Subject: "np-1"}, {Cluster: "kc-a", Subject: "kc-a"}, {Cluster: "kc-c", Subject: "kc-c"},
	})
	if want := []tenant.ClusterID{"kc-a", "kc-c"}; !slices.Equal(got, want) {
		t.Errorf("changed = %v, want %v", got, want)
	}
}
