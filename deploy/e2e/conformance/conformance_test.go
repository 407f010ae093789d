//go:build integration

package conformance_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/installation"
)

// specs.txt names the tests in full, one to a line, as
// `e2e.test --list-conformance-tests` does.
//
//go:embed specs.txt
var specList string

// areas are the parts of Kubernetes that the tests are from.
var areas = []string{"api-machinery", "apps", "auth", "network", "node", "storage"}

const (
	fewest = 40
	// beside is how many tests run at once. Most of a test's time goes by in waiting.
	beside = "8"
	limit  = 15 * time.Minute
)

func specs() []string { return strings.Split(strings.TrimSpace(specList), "\n") }

// TestSpecs: the list is large and broad enough, and upstream knows every test of
// it as one of conformance.
func TestSpecs(t *testing.T) {
	t.Parallel()
	all := specs()
	if len(all) < fewest {
		t.Errorf("%d tests are listed, want %d at least", len(all), fewest)
	}
	for _, area := range areas {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "[sig-"+area+"]") }) {
			t.Errorf("no test of %s is listed", area)
		}
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Error("the list is not sorted, or a test is there twice")
	}
	known := conformanceTests(t)
	for _, s := range all {
		if !known[s] {
			t.Errorf("upstream has no conformance test %q", s)
		}
	}
}

// conformanceTests asks upstream's tests which of them are about conformance.
func conformanceTests(t *testing.T) map[string]bool {
	t.Helper()
	suite, err := artifacts.Path(artifacts.Conformance)
	check(t, err)
	cmd := exec.CommandContext(t.Context(), suite, "--list-conformance-tests")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // it makes directories there before it does anything, and leaves them
	out, err := cmd.Output()
	check(t, err)
	var list []struct{ Codename string }
	check(t, yaml.Unmarshal(out, &list))
	names := map[string]bool{}
	for _, test := range list {
		names[test.Codename] = true
	}
	return names
}

// TestConformance runs upstream's tests side by side. Each is a subtest.
func TestConformance(t *testing.T) {
	suite, err := artifacts.Path(artifacts.Conformance)
	check(t, err)
	kubeconfig, kubectl := cluster(t, mirror(t, suite))
	report := runSuite(t, suite, kubeconfig, kubectl)
	for _, name := range specs() {
		t.Run(strings.TrimSuffix(name, " [Conformance]"), func(t *testing.T) {
			spec, ok := report[name]
			switch {
			case !ok || spec.State == "skipped" || spec.State == "pending":
				t.Errorf("it was not run: %s", spec.Failure.Message)
			case spec.State != "passed":
				t.Errorf("%s after %s: %s\n%s", spec.State, spec.RunTime.Round(time.Second), spec.Failure.Message, spec.CapturedGinkgoWriterOutput)
			default:
				t.Logf("passed in %s", spec.RunTime.Round(time.Second))
			}
		})
	}
}

// cluster makes an installation with a cluster of two nodes that pull images from
// a registry mirror.
func cluster(t *testing.T, mirror string) (kubeconfig, kubectl string) {
	t.Helper()
	i, err := installation.New(os.Stderr)
	check(t, err)
	i.Flags = []string{"--registry-mirror", mirror}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	_, err = i.Start(t.Context(), false)
	check(t, err)
	for _, args := range [][]string{
		{"clusters", "create", "conformance", "--wait"},
		{"pools", "create", "conformance", "workers", "--count", "2", "--size", "medium", "--wait"},
	} {
		_, err := i.Run(t.Context(), args...)
		check(t, err)
	}
	k, err := i.Client.FindCluster(t.Context(), "conformance")
	check(t, err)
	kubeconfig, err = i.KubeconfigFile(t.Context(), k.ID)
	check(t, err)
	bin, err := artifacts.Dir()
	check(t, err)
	return kubeconfig, filepath.Join(bin, artifacts.Kubectl) // the link, whose name tells what it is to be
}

// byName makes a kubeconfig name its cluster's endpoint as one with a DNS name
// does, and returns a hosts file in which that name stands. Upstream's tests keep
// no more of a kubeconfig than the server's URL and the credentials: they do not
// know tls-server-name.
func byName(t *testing.T, kubeconfig string) (hosts string) {
	t.Helper()
	c, err := clientcmd.LoadFromFile(kubeconfig)
	check(t, err)
	hosts = filepath.Join(t.TempDir(), "hosts")
	for _, k := range c.Clusters {
		server, err := url.Parse(k.Server)
		check(t, err)
		line := fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", server.Hostname(), k.TLSServerName)
		check(t, os.WriteFile(hosts, []byte(line), 0o644))
		k.Server, k.TLSServerName = "https://"+net.JoinHostPort(k.TLSServerName, server.Port()), ""
	}
	check(t, clientcmd.WriteToFile(*c, kubeconfig))
	return hosts
}

// spec is what Ginkgo says of one test (types.SpecReport there).
type spec struct {
	ContainerHierarchyTexts    []string
	LeafNodeText               string
	State                      string
	RunTime                    time.Duration
	CapturedGinkgoWriterOutput string
	Failure                    struct{ Message string }
}

// runSuite runs the listed tests and returns what came of each, by name.
func runSuite(t *testing.T, suite, kubeconfig, kubectl string) map[string]spec {
	t.Helper()
	ginkgo, err := artifacts.Path(artifacts.Ginkgo)
	check(t, err)
	var focus []string
	for _, name := range specs() {
		focus = append(focus, regexp.QuoteMeta(name))
	}
	dir := t.TempDir()
	// The hosts file is this program's alone.
	own := `mount --bind "$0" /etc/hosts && exec "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", own, byName(t, kubeconfig), ginkgo, "--procs="+beside, "--no-color", "--silence-skips", "--timeout="+limit.String(),
		"--output-dir="+dir, "--json-report=report.json", "--focus=("+strings.Join(focus, "|")+")$", suite,
		"--", "--kubeconfig="+kubeconfig, "--kubectl-path="+kubectl, "--provider=skeleton", "--disable-log-dump", "--dump-logs-on-failure=false", "--report-dir="+dir)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	ran := cmd.Run()
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatalf("upstream's tests did not run: %v\n%s", ran, output.Bytes())
	}
	var suites []struct{ SpecReports []spec }
	check(t, json.Unmarshal(data, &suites))
	found := map[string]spec{}
	for _, s := range suites {
		for _, r := range s.SpecReports {
			found[strings.Join(append(slices.Clone(r.ContainerHierarchyTexts), r.LeafNodeText), " ")] = r
		}
	}
	t.Logf("ginkgo: %v\n%s", ran, output.Bytes()) // seen when something failed
	return found
}
