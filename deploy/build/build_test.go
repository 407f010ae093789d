package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

func names(list []artifact) []string {
	var n []string
	for _, a := range list {
		n = append(n, a.name)
	}
	return n
}

func TestCatalogueOrder(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range catalogue("/nowhere", host{}) {
		for _, n := range a.needs {
			if !seen[n] {
				t.Errorf("%s comes before %s, which it needs", a.name, n)
			}
		}
		for _, b := range catalogue("/nowhere", host{}) {
			if !a.tests && b.tests && slices.Contains(a.needs, b.name) {
				t.Errorf("%s needs %s, which is for tests alone", a.name, b.name)
			}
		}
		if seen[a.name] {
			t.Errorf("%s is there twice", a.name)
		}
		seen[a.name] = true
	}
}

func TestSelectArtifacts(t *testing.T) {
	t.Parallel()
	all := []artifact{{name: "a"}, {name: "b"}, {name: "t", needs: []string{"b"}, tests: true}, {name: "c", needs: []string{"a"}}, {name: "d", needs: []string{"c"}}}
	for _, c := range []struct {
		why   string
		only  []string
		tests bool
		want  []string
	}{
		{"no names mean everything that Marina runs", nil, false, []string{"a", "b", "c", "d"}},
		{"the tests need everything", nil, true, []string{"a", "b", "t", "c", "d"}},
		{"what is needed comes along, and before", []string{"d"}, false, []string{"a", "c", "d"}},
		{"the order is the catalogue's", []string{"b", "a"}, false, []string{"a", "b"}},
		{"what only tests use can be named", []string{"t"}, false, []string{"b", "t"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			got, err := selectArtifacts(all, c.only, c.tests)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, names(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := selectArtifacts(all, []string{"z"}, false); err == nil || !strings.Contains(err.Error(), "a, b, t, c, d") {
		t.Errorf("unknown name: got %v; want an error that lists the names", err)
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, f := range []string{"usr/lib/x86_64-linux-gnu/libc.a", "bin/mount"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := missing(root, []requirement{
		{"libc6-dev", []string{"/usr/lib/*/libc.a"}},
		{"mount", []string{"/usr/bin/mount", "/bin/mount"}},
		{"postgresql", []string{"/usr/lib/postgresql/*/bin/postgres"}},
	})
	if diff := cmp.Diff([]string{"postgresql"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKubernetesVersion(t *testing.T) {
	t.Parallel()
	got := kubernetesVersion(func(module string) string {
		if module != "k8s.io/kubernetes" {
			t.Errorf("asked for the version of %s", module)
		}
		return "v1.37.2"
	})
	want := map[string]string{}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		want[pkg+".gitVersion"], want[pkg+".gitMajor"], want[pkg+".gitMinor"], want[pkg+".gitTreeState"] = "v1.37.2", "1", "37", "clean"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNodePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, host, node string }{
		{"a program of a merged root", "/usr/sbin/nft", "usr/bin/nft"},
		{"a program of a split root", "/bin/mount", "usr/bin/mount"},
		{"a library by ldd's name for it", "/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"},
		{"a private library that a RUNPATH names", "/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so", "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so"},
		{"the loader, whose path is in every program", "/lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"},
	} {
		if got := nodePath(c.host); got != c.node {
			t.Errorf("nodePath(%s) = %s, want %s: %s", c.host, got, c.node, c.why)
		}
	}
}

// TestBuilder builds two artifacts of which one needs the other, changes an
// input, and looks at what was built again and what bin/ shows.
func TestBuilder(t *testing.T) {
	t.Parallel()
	root, store := t.TempDir(), cache.Cache{Dir: t.TempDir()}
	source, unrelated := "v1", "v1"
	var built []string
	program := func(name string, input *string, needs ...string) artifact {
		return artifact{
			name: name, needs: needs,
			links: map[string]string{name: "out"},
			inputs: func(_ context.Context, k *cache.Key) error {
				k.Text("source", *input)
				return nil
			},
			make: func(_ context.Context, out string, d dirs, log io.Writer) error {
				built = append(built, name)
				content := name + " " + *input
				for _, n := range needs {
					b, err := os.ReadFile(d.under(n, "out"))
					if err != nil {
						return err
					}
					content += " with " + string(b)
				}
				return os.WriteFile(filepath.Join(out, "out"), []byte(content), 0o755)
			},
		}
	}
	agent, node := program("agent", &source), program("node", &unrelated, "agent")
	node.real = []string{"node"}
	for _, step := range []struct {
		why    string
		source string
		built  []string
		node   string
	}{
		{"the first time everything is built", "v1", []string{"agent", "node"}, "node v1 with agent v1"},
		{"nothing changed: everything is cached", "v1", nil, "node v1 with agent v1"},
		{"a change reaches what is made from it", "v2", []string{"agent", "node"}, "node v1 with agent v2"},
		{"going back finds the earlier build", "v1", nil, "node v1 with agent v1"},
	} {
		source, built = step.source, nil
		b := builder{root: root, store: store, progress: &progress{w: io.Discard}, keys: map[string]string{}, dirs: dirs{}}
		if err := b.build(t.Context(), []artifact{agent, node}); err != nil {
			t.Fatalf("%s: %v", step.why, err)
		}
		if diff := cmp.Diff(step.built, built); diff != "" {
			t.Errorf("%s: built (-want +got):\n%s", step.why, diff)
		}
		got, err := os.ReadFile(filepath.Join(root, "bin/node"))
		if err != nil || string(got) != step.node {
			t.Errorf("%s: bin/node holds %q, %v; want %q", step.why, got, err, step.node)
		}
	}
	if info, err := os.Lstat(filepath.Join(root, "bin/node")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("bin/node: %v, %v; want a file of its own", info, err)
	}
	if target, err := os.Readlink(filepath.Join(root, "bin/agent")); err != nil || !strings.HasPrefix(target, store.Dir) {
		t.Errorf("bin/agent: %q, %v; want a link into the cache", target, err)
	}
	stale := filepath.Join(root, "bin/gone")
	if err := os.Symlink(store.Entry("gone", "key"), stale); err != nil {
		t.Fatal(err)
	}
	if err := removeStale(filepath.Join(root, "bin"), store.Dir, binNames([]artifact{agent, node})); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(stale); err == nil {
		t.Error("the link of an artifact that is no more is still there")
	}
	if _, err := os.Lstat(filepath.Join(root, "bin/agent")); err != nil {
		t.Errorf("bin/agent: %v", err)
	}
}
