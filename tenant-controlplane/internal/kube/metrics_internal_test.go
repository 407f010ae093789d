package kube

import (
	"errors"
	"strings"
	"testing"
)

func TestOnlyTheWantedFamilies(t *testing.T) {
	t.Parallel()
	const kept = "# HELP workqueue_depth Depth.\n# TYPE workqueue_depth gauge\nworkqueue_depth{name=\"a # b\"} 1\nworkqueue_depth{name=\"b\"} 2\n"
	const histogram = "# TYPE etcd_request_duration_seconds histogram\netcd_request_duration_seconds_bucket{le=\"+Inf\"} 1\netcd_request_duration_seconds_sum 1\netcd_request_duration_seconds_count 1\n"
	const others = "# HELP workqueue_depth_other Other.\n# TYPE workqueue_depth_other gauge\nworkqueue_depth_other 3\n# TYPE go_goroutines gauge\ngo_goroutines 7\n"
	got, err := only(strings.NewReader(others+kept+others+histogram+others), []string{"workqueue_depth", "etcd_request_duration_seconds"})
	if err != nil || string(got) != kept+histogram {
		t.Errorf("kept:\n%s%v", got, err)
	}
}

// TestWhatATenantAnswersIsBounded: its API server may be in an attacker's hands.
func TestWhatATenantAnswersIsBounded(t *testing.T) {
	t.Parallel()
	const head = "# TYPE workqueue_depth gauge\n"
	if _, err := only(strings.NewReader(head+strings.Repeat("workqueue_depth{name=\"a\"} 1\n", 400_000)), StackMetrics); !errors.Is(err, errTooMuch) {
		t.Errorf("very many samples: %v", err)
	}
	if _, err := only(strings.NewReader(head+strings.Repeat("x", 1<<20)), StackMetrics); err == nil {
		t.Error("a line of 1 MiB is taken")
	}
}
