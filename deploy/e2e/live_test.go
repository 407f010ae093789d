//go:build integration

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/deploy/client"
)

// TestLiveState: whoever watches a cluster sees a node pool come and go.
func TestLiveState(t *testing.T) {
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(marina.Client.Stream(ctx, "/v1/stream?cluster_id="+k.ID, w)) }()
	lines := bufio.NewScanner(r)
	// until reads messages up to one that ok likes.
	until := func(what string, ok func(kind string, about map[string]any) bool) {
		t.Helper()
		kind := ""
		for lines.Scan() {
			if name, is := strings.CutPrefix(lines.Text(), "event: "); is {
				kind = name
			}
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
				var about map[string]any
				if err := json.Unmarshal([]byte(data), &about); err != nil {
					t.Fatalf("message %s: %v", data, err)
				}
				if ok(kind, about) {
					return
				}
			}
		}
		t.Fatalf("never: %s (%v)", what, lines.Err())
	}
	until("all that there is", func(kind string, _ map[string]any) bool { return kind == "synced" })
	p, err := marina.Client.CreatePool(ctx, k.ID, client.NewPool{Name: "watched", Count: 0})
	if err != nil {
		t.Fatal(err)
	}
	until("the pool comes", func(kind string, about map[string]any) bool {
		return kind == "pool" && strings.Contains(fmt.Sprint(about["pool"]), p.ID)
	})
	if err := marina.Client.DeletePool(ctx, k.ID, p.ID); err != nil {
		t.Fatal(err)
	}
	until("the pool goes", func(_ string, about map[string]any) bool { return about["gone"] == p.ID })
}

// TestPrices: whatever can be asked for has a price.
func TestPrices(t *testing.T) {
	var options struct {
		Sizes []struct {
			Name  string
			Price *struct{ Hour, Month string }
		}
		ControlPlane *struct{ Hour, Month string } `json:"control_plane_price"`
	}
	get(t, marina.API+"/v1/options", &options)
	if options.ControlPlane == nil || len(options.Sizes) == 0 {
		t.Errorf("options: %+v", options)
	}
	for _, s := range options.Sizes {
		if s.Price == nil {
			t.Errorf("size %s has no price", s.Name)
		}
	}
}
