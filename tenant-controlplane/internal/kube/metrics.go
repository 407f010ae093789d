package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Bounds of one reading of a component's metrics, which a tenant's process answers.
const (
	scrapeIn   = 5 * time.Second
	maxScraped = 32 << 20 // bytes read
	maxShown   = 8 << 20  // bytes kept
	maxSample  = 16 << 10 // bytes of a line
)

// StackMetrics are the metrics of the API server, the controllers and the
// scheduler that help a cluster's owner: one process shows all of them. Their names
// and meaning are upstream's (https://kubernetes.io/docs/reference/instrumentation/metrics/).
var StackMetrics = []string{
	// Who asks for how much, how quickly it is answered, and what is turned away.
	"apiserver_request_total", "apiserver_request_duration_seconds", "apiserver_current_inflight_requests", "apiserver_longrunning_requests",
	"apiserver_flowcontrol_rejected_requests_total", "apiserver_flowcontrol_current_inqueue_requests", "apiserver_requested_deprecated_apis",
	// What slows it down.
	"apiserver_admission_webhook_admission_duration_seconds", "apiserver_admission_webhook_rejection_count", "apiserver_admission_webhook_request_total",
	"etcd_request_duration_seconds", "apiserver_storage_size_bytes", "apiserver_storage_objects", "apiserver_resource_objects",
	"apiserver_audit_event_total", "apiserver_audit_requests_rejected_total", "apiserver_audit_error_total",
	"marina_limits_refused_total", "marina_audit_events_dropped_total", // packages limits and audit of the stack
	// The controllers.
	"workqueue_depth", "workqueue_adds_total", "workqueue_retries_total", "workqueue_queue_duration_seconds",
	"node_collector_evictions_total", "node_collector_unhealthy_nodes_in_zone", "garbagecollector_controller_resources_sync_error_total",
	// The scheduler.
	"scheduler_schedule_attempts_total", "scheduler_pending_pods", "scheduler_scheduling_attempt_duration_seconds",
	"scheduler_pod_scheduling_sli_duration_seconds", "scheduler_preemption_attempts_total", "scheduler_queue_incoming_pods_total", "scheduler_unschedulable_pods",
	// The process.
	"kubernetes_build_info", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds",
}

// EtcdMetrics are those of etcd (https://etcd.io/docs/latest/metrics/).
var EtcdMetrics = []string{
	"etcd_server_has_leader", "etcd_server_quota_backend_bytes", "etcd_mvcc_db_total_size_in_bytes", "etcd_mvcc_db_total_size_in_use_in_bytes",
	"etcd_debugging_mvcc_keys_total", "etcd_disk_wal_fsync_duration_seconds", "etcd_disk_backend_commit_duration_seconds",
	"etcd_server_proposals_failed_total", "etcd_server_slow_apply_total", "etcd_server_slow_read_indexes_total",
}

// StackMetrics returns the families of StackMetrics in Prometheus' text format.
func (s *Clusters) StackMetrics(ctx context.Context, id tenant.ClusterID) ([]byte, error) {
	// As the holder of a kubeconfig: his requests to read are not audited, and a
	// scraper's would fill the log.
	_, api, release := s.lend(id, health)
	defer release()
	return scrape(ctx, &http.Client{Transport: api}, "https://"+s.Name(id)+":6443/metrics", StackMetrics)
}

// EtcdMetrics returns the families of EtcdMetrics in Prometheus' text format.
func (s *Clusters) EtcdMetrics(ctx context.Context, id tenant.ClusterID) ([]byte, error) {
	etcd, _, release := s.lend(id, health)
	defer release()
	return scrape(ctx, etcd, "http://etcd/metrics", EtcdMetrics)
}

func scrape(ctx context.Context, client *http.Client, url string, families []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeIn)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for metrics: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for metrics: %s", answer.Status)
	}
	return only(io.LimitReader(answer.Body, maxScraped), families)
}

var errTooMuch = errors.New("read metrics: there are more than may be shown")

// only keeps the families named of what is read, line by line.
func only(from io.Reader, families []string) ([]byte, error) {
	wanted := make(map[string]bool, len(families))
	for _, f := range families {
		wanted[f] = true
	}
	var out bytes.Buffer
	current := "" // the family that is being kept
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxSample)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			fields := strings.SplitN(rest, " ", 3) // HELP or TYPE, the family, the rest
			if current = ""; len(fields) > 1 && wanted[fields[1]] {
				current = fields[1]
			}
		}
		if current == "" || !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, current) {
			continue
		}
		if out.Len()+len(line) > maxShown {
			return nil, errTooMuch
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return out.Bytes(), nil
}
