package metrics_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/marina-cloud/marina/internal/metrics"
)

type startEtcd struct{}

func TestReconcilers(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	r := metrics.NewReconcilers()
	if err := r.Register(registry, "clusters"); err != nil {
		t.Fatal(err)
	}
	r.Step("clusters", startEtcd{}, time.Second, nil)
	r.Step("clusters", startEtcd{}, time.Second, errors.New("no"))
	r.Run("clusters", metrics.Failed, time.Second)
	got, err := testutil.CollectAndFormat(gather{registry}, expfmt.TypeTextPlain, "marina_reconcile_step_duration_seconds", "marina_reconcile_run_duration_seconds")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`marina_reconcile_step_duration_seconds_count{queue="clusters",result="done",step="startEtcd"} 1`,
		`marina_reconcile_step_duration_seconds_count{queue="clusters",result="failed",step="startEtcd"} 1`,
		`marina_reconcile_run_duration_seconds_count{queue="clusters",result="failed"} 1`,
		`marina_reconcile_run_duration_seconds_count{queue="clusters",result="done"} 0`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	var none *metrics.Reconcilers
	none.Step("clusters", startEtcd{}, 0, nil)
	none.Run("clusters", metrics.Done, 0)
	none.Ready("clusters", 0)
}

// gather lets testutil, which wants a collector, read a registry.
type gather struct{ *prometheus.Registry }

func (g gather) Describe(out chan<- *prometheus.Desc) { g.Registry.Describe(out) }
func (g gather) Collect(out chan<- prometheus.Metric) { g.Registry.Collect(out) }

func TestSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		desc := prometheus.NewDesc("marina_test_rows", "Rows.", nil, nil)
		reads, broken := 0, false
		s := metrics.NewSnapshot("table", func(ctx context.Context, emit func(prometheus.Metric)) error {
			reads++
			emit(metrics.Gauge(desc, float64(reads)))
			if broken {
				<-ctx.Done() // a database that hangs
				return ctx.Err()
			}
			return nil
		}, desc)
		see := func(rows int, want string) {
			t.Helper()
			got, err := testutil.CollectAndFormat(s, expfmt.TypeTextPlain, "marina_test_rows", "marina_source_up")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), want) || reads != rows {
				t.Errorf("after %d readings:\n%s\nwant %d readings and %s", reads, got, rows, want)
			}
		}
		see(1, "marina_test_rows 1\n")
		see(1, "marina_test_rows 1\n") // not read again at once
		time.Sleep(6 * time.Second)
		see(2, "marina_test_rows 2\n")
		see(2, `marina_source_up{source="table"} 1`)
		broken = true
		time.Sleep(6 * time.Second)
		begun := time.Now()
		see(3, `marina_source_up{source="table"} 0`)
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("a scrape waited %s for a source that hangs", took)
		}
		if n := testutil.CollectAndCount(s, "marina_test_rows"); n != 0 {
			t.Error("figures are shown that are not known")
		}
	})
}
