package monitor_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/monitor"
)

func TestMonitor(t *testing.T) {
	t.Parallel()
	m := &monitor.Monitor{Expiry: func() (time.Time, error) { return time.Unix(1_800_000_000, 0), nil }}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return w.Code, w.Body.String()
	}
	m.Started("kubelet")
	m.Started("containerd")
	if code, body := get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("all programs run: %d %s", code, body)
	}
	m.Ended("kubelet")
	if code, body := get("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "kubelet") || strings.Contains(body, "containerd") {
		t.Errorf("the kubelet has ended: %d %s", code, body)
	}
	_, text := get("/metrics")
	for _, want := range []string{
		"# TYPE marina_agent_program_running gauge\n",
		"marina_agent_program_running{program=\"containerd\"} 1\n", "marina_agent_program_running{program=\"kubelet\"} 0\n",
		"marina_agent_program_starts_total{program=\"kubelet\"} 1\n", "marina_agent_program_ends_total{program=\"kubelet\"} 1\n",
		"\nmarina_agent_identity_expiry_timestamp_seconds 1800000000\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
