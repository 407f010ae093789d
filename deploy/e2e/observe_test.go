//go:build integration

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/internal/home"
)

// sample is a line of Prometheus' text format: name, labels, value.
var sample = regexp.MustCompile(`^([a-z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$`)

// metrics returns what `marina metrics` prints: samples by name and labels.
func metrics(t *testing.T, args ...string) map[string]string {
	t.Helper()
	out, err := marina.Run(t.Context(), append([]string{"metrics"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if m := sample.FindStringSubmatch(line); m != nil {
			all[m[1]+m[2]] = m[3]
		} else if !strings.HasPrefix(line, "#") {
			t.Errorf("no sample: %s", line)
		}
	}
	return all
}

// TestOperatorMetrics holds that the server shows what it did for a cluster with a
// node, and that it shows nothing of a tenant's: series must not grow with clusters.
func TestOperatorMetrics(t *testing.T) {
	// A server counts from its start, which another test may have caused just now.
	for _, args := range [][]string{{"clusters", "create", "counted", "--wait"}, {"pools", "create", "counted", "default", "--count", "1", "--wait"}} {
		if _, err := marina.Run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := marina.Run(context.Background(), "clusters", "delete", "counted", "--purge", "--wait"); err != nil {
			t.Error(err)
		}
	})
	all := metrics(t)
	for _, positive := range []string{
		`marina_controlplane_clusters{phase="running"}`,
		`marina_fleet_nodes{phase="running"}`,
		`marina_reconcile_ready_seconds_count{queue="clusters"}`,
		`marina_reconcile_ready_seconds_count{queue="nodes"}`,
		`marina_reconcile_run_duration_seconds_count{queue="clusters",result="done"}`,
		`marina_kms_request_duration_seconds_count{code="OK",operation="Encrypt"}`,
		`marina_secrets_request_duration_seconds_count{operation="seal",result="done"}`,
		`marina_http_request_duration_seconds_count{code="201",method="POST",route="/v1/clusters",server="api"}`,
		`marina_http_request_duration_seconds_count{code="200",method="POST",route="/v1/join",server="nodes"}`,
		`marina_check_up{check="postgres"}`, `marina_check_up{check="nats"}`, `marina_check_up{check="secrets"}`, `marina_check_up{check="router"}`,
		`marina_disk_free_bytes{directory="home"}`,
		`marina_controlplane_certificate_expiry_timestamp_seconds`,
		`process_resident_memory_bytes`,
	} {
		if v, ok := all[positive]; !ok || v == "0" {
			t.Errorf("%s is %q, want a positive number", positive, v)
		}
	}
	for name, v := range all {
		if strings.HasPrefix(name, "marina_source_up") && v != "1" {
			t.Errorf("%s is %s", name, v)
		}
		if regexp.MustCompile(`(kc|org|usr|nd|np)-[0-9a-z]{26}`).MatchString(name) {
			t.Errorf("%s names somebody", name)
		}
	}
	router := metrics(t, "--router")
	if router["marina_router_serving"] != "1" {
		t.Errorf("the router's metrics: %v", router)
	}
	// What alerts ask for is really there.
	rules, err := os.ReadFile("../alerts/marina.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{"marina_backup_last_timestamp_seconds": true} // after the first backup
	for _, all := range []map[string]string{all, router} {
		for name := range all {
			name, _, _ = strings.Cut(name, "{")
			shown[name] = true
		}
	}
	for _, name := range regexp.MustCompile(`\bmarina_[a-z_0-9]+`).FindAllString(string(rules), -1) {
		if !shown[name] {
			t.Errorf("an alert asks for %s, which is not shown", name)
		}
	}
}

// TestLogsAreStructured holds that each line of a server's log can be read by a
// program, and that the lines of a reconciler name their cluster.
func TestLogsAreStructured(t *testing.T) {
	for name, want := range map[string]string{"marina.log": "step done", "router.log": ""} {
		f, err := os.Open(filepath.Join(marina.Home, "log", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		found := want == ""
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var line struct{ Time, Level, Msg, Cluster string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Time == "" || line.Level == "" || line.Msg == "" {
				t.Errorf("%s: not a line for programs: %s", name, lines.Text())
			}
			if line.Msg == "step done" && !strings.HasPrefix(line.Cluster, "kc-") {
				t.Errorf("%s: a line that does not name its cluster: %s", name, lines.Text())
			}
			found = found || line.Msg == want
		}
		if !found {
			t.Errorf("%s has no line %q", name, want)
		}
	}
}

// TestAgentMetrics asks each machine's agent how it does, on the machine's loopback.
func TestAgentMetrics(t *testing.T) {
	h, err := home.At(marina.Home)
	if err != nil {
		t.Fatal(err)
	}
	machines, err := filepath.Glob(filepath.Join(h.Run(), "m", "*", "net"))
	if err != nil || len(machines) < 2 {
		t.Fatalf("found %d machines, %v", len(machines), err)
	}
	for _, namespace := range machines {
		text, err := getIn(t.Context(), namespace, "http://127.0.0.1:10261/metrics")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, program := range []string{"containerd", "kubelet", "kube-proxy", "konnectivity-agent"} {
			if !strings.Contains(text, `marina_agent_program_running{program="`+program+`"} 1`) {
				t.Errorf("%s does not run, says the agent:\n%s", program, text)
			}
		}
	}
}

// getIn asks from inside of a network namespace.
func getIn(ctx context.Context, namespace, url string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			dialed := make(chan struct{})
			go func() {
				defer close(dialed)
				runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
				var ns *os.File
				if ns, err = os.Open(namespace); err != nil {
					return
				}
				defer ns.Close()
				if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
					conn, err = new(net.Dialer).DialContext(ctx, network, address)
				}
			}()
			<-dialed
			return conn, err
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// TestOwnerMetrics holds that an owner sees what the control plane does: of the API
// server, the controllers, the scheduler and etcd, and nothing else.
func TestOwnerMetrics(t *testing.T) {
	out, err := marina.Run(t.Context(), "clusters", "metrics", "demo")
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	for _, want := range []string{
		`marina_cluster_up{component="apiserver"} 1`, `marina_cluster_up{component="etcd"} 1`, `marina_cluster_condition{condition="APIServerReady"} 1`,
		`apiserver_request_total{`, `apiserver_request_duration_seconds_bucket{`, `apiserver_current_inflight_requests{`,
		`workqueue_depth{`, `scheduler_schedule_attempts_total{`, `scheduler_pending_pods{`,
		`etcd_mvcc_db_total_size_in_bytes `, `etcd_server_quota_backend_bytes `, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	if len(out) > 4<<20 || strings.Contains(text, "\ngo_") {
		t.Errorf("%d bytes: more is shown than helps an owner", len(out))
	}
}

// TestOwnerLogs holds that an owner reads what each component wrote.
func TestOwnerLogs(t *testing.T) {
	for component, want := range map[string]string{
		"apiserver":          "Starting the API server",
		"controller-manager": `logger="kube-controller-manager`,
		"scheduler":          `logger="kube-scheduler`,
		"etcd":               `"caller":"etcdserver/`,
		"audit":              `"kind":"Event"`,
	} {
		out, err := marina.Run(t.Context(), "clusters", "logs", "demo", "--component", component, "--tail", "10000")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("the log of %s lacks %s: %.2000s", component, want, out)
		}
	}
	// What happens while the log is followed appears in it.
	ctx, leave := context.WithTimeout(t.Context(), patience)
	defer leave()
	clusters, err := marina.Client.Clusters(ctx)
	if err != nil {
		t.Fatal(err)
	}
	k := clusters[slices.IndexFunc(clusters, func(k client.Cluster) bool { return k.Name == "demo" })]
	from, to := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := marina.Client.Logs(ctx, k.ID, client.LogQuery{Component: "audit", Follow: true}, to)
		ended <- err
		to.CloseWithError(err)
	}()
	demo().kubectl(t, "", "create", "configmap", "seen-in-the-audit-log")
	defer demo().kubectl(t, "", "delete", "configmap", "seen-in-the-audit-log")
	found := false
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for !found && lines.Scan() {
		found = strings.Contains(lines.Text(), "seen-in-the-audit-log")
	}
	if !found {
		t.Errorf("the followed audit log does not show what was done: %v", lines.Err())
	}
	leave()
	from.Close()
	<-ended
}

// secret is what must be in no log: keys, tokens of ours and of service accounts.
var secret = regexp.MustCompile(`PRIVATE KEY|LS0tLS1CRUdJTi|marina_[a-z2-7]{32}[0-9a-f]{8}|eyJhbGciOi`)

// TestNoSecretsInLogs reads all that the installation, its clusters and its machines
// have written so far.
func TestNoSecretsInLogs(t *testing.T) {
	known := []string{}
	for _, name := range []string{"login.json", "demo.kubeconfig"} {
		data, err := os.ReadFile(filepath.Join(marina.Home, name))
		if err != nil {
			t.Fatal(err)
		}
		if !secret.Match(data) {
			t.Errorf("this test does not know a secret when it sees one, in %s", name)
		}
	}
	passwords, err := filepath.Glob(filepath.Join(marina.Home, "*password*"))
	if err != nil || len(passwords) == 0 {
		t.Fatalf("the first account's password was not found: %v", err)
	}
	for _, f := range append(passwords, filepath.Join(marina.Home, "master.key")) {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, strings.TrimSpace(string(data)))
	}
	read := 0
	err = filepath.WalkDir(marina.Home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(d.Name(), ".log") {
			return nil // others write and remove files meanwhile
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		read++
		if hit := secret.FindIndex(data); hit != nil {
			t.Errorf("%s shows a secret: …%.40s…", path, data[max(0, hit[0]-80):hit[0]])
		}
		for _, k := range known {
			if k != "" && strings.Contains(string(data), k) {
				t.Errorf("%s shows a password or the master key", path)
			}
		}
		return nil
	})
	if err != nil || read < 10 {
		t.Errorf("read only %d logs: %v", read, err)
	}
}
