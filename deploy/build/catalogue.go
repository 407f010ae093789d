package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// minors are the Kubernetes minor versions that are built, newest last: the
// modfile beside tenant-controlplane/kubernetes/go.mod that pins each ("" is
// go.mod itself). Images and kubectl come from the newest.
var minors = []struct{ version, modfile string }{
	{"1.37", ""},
}

const (
	kubernetesDir = "tenant-controlplane/kubernetes"
	runtimeDir    = "node-fleet/runtime"
	addonsDir     = "node-fleet/addons"
	vaultDir      = "deploy/vaultdev"
)

// catalogue lists all artifacts of the repository at root, each after those that
// it needs.
func catalogue(root string, host host) []artifact {
	golang := func(name, hint string, links []string, p goProgram) artifact {
		a := artifact{name: name, hint: hint, links: map[string]string{}}
		for _, l := range links {
			a.links[l] = l
		}
		a.inputs = func(ctx context.Context, k *cache.Key) error {
			if p.cgo {
				k.Text("C", host.compiler)
			}
			return p.inputs(ctx, root, host.goVersion, k)
		}
		a.make = func(ctx context.Context, out string, _ dirs, log io.Writer) error {
			return p.build(ctx, root, out, log)
		}
		return a
	}

	marina := golang("marina", "about a minute the first time", []string{"marina"}, goProgram{
		dir: ".", packages: []string{"./deploy/cmd/marina"}, out: "marina",
	})
	// marina finds the other files beside itself: see package artifacts.
	marina.real = []string{"marina"}
	marina.needs = []string{"console"} // embedded: it lies in the tree when marina's sources are read

	all := []artifact{
		golang("staticcheck", "", []string{"staticcheck"}, goProgram{
			dir: "deploy/lint", packages: []string{"honnef.co/go/tools/cmd/staticcheck"}, out: "staticcheck",
		}),
		golang("marina-etcd", "", []string{"marina-etcd"}, goProgram{
			dir: ".", packages: []string{"./tenant-controlplane/cmd/marina-etcd"}, out: "marina-etcd",
		}),
		golang("runc", "", []string{"runc"}, goProgram{
			dir: runtimeDir, packages: []string{"github.com/opencontainers/runc"}, out: "runc", cgo: true,
			tags: []string{"seccomp", "netgo", "osusergo", "urfave_cli_no_docs"},
			// Static, because it starts containers in roots that hold nothing else.
			ldflags: []string{"-linkmode", "external", "-extldflags", "-static"},
		}),
		golang("containerd", "about two minutes the first time", nil, goProgram{
			dir: runtimeDir, packages: []string{
				"github.com/containerd/containerd/v2/cmd/containerd",
				"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
				"github.com/containerd/containerd/v2/cmd/ctr",
			},
			tags: []string{"netgo", "osusergo", "urfave_cli_no_docs"},
			versions: func(version func(string) string) map[string]string {
				return map[string]string{"github.com/containerd/containerd/v2/version.Version": version("github.com/containerd/containerd/v2")}
			},
		}),
		golang("cni", "", nil, goProgram{
			dir: runtimeDir, packages: []string{
				"github.com/containernetworking/plugins/plugins/ipam/host-local",
				"github.com/containernetworking/plugins/plugins/main/bridge",
				"github.com/containernetworking/plugins/plugins/main/loopback",
				"github.com/containernetworking/plugins/plugins/main/ptp",
				"github.com/containernetworking/plugins/plugins/meta/bandwidth",
				"github.com/containernetworking/plugins/plugins/meta/portmap",
			},
			versions: func(version func(string) string) map[string]string {
				const module = "github.com/containernetworking/plugins"
				return map[string]string{module + "/pkg/utils/buildversion.BuildVersion": version(module)}
			},
		}),
		golang("coredns", "about two minutes the first time", nil, goProgram{
			dir: addonsDir, packages: []string{"./coredns"}, out: "coredns",
		}),
		golang("metrics-server", "", nil, goProgram{
			dir: addonsDir, packages: []string{"sigs.k8s.io/metrics-server/cmd/metrics-server"}, out: "metrics-server",
			versions: func(version func(string) string) map[string]string {
				return map[string]string{"k8s.io/client-go/pkg/version.gitVersion": version("sigs.k8s.io/metrics-server")}
			},
		}),
		golang("konnectivity-agent", "", nil, goProgram{
			dir: addonsDir, packages: []string{"sigs.k8s.io/apiserver-network-proxy/cmd/agent"}, out: "konnectivity-agent",
		}),
	}
	for _, m := range minors {
		a := golang("kubernetes-"+m.version, "about ten minutes the first time", []string{"marina-kubernetes-" + m.version}, goProgram{
			dir: kubernetesDir, modfile: m.modfile, packages: []string{"."}, out: "marina-kubernetes-" + m.version,
			versions: kubernetesVersion,
		})
		if m == newest() {
			a.links["kubectl"] = "marina-kubernetes-" + m.version
		}
		all = append(all, a)
	}
	all = append(all,
		golang("agnhost", "", nil, agnhost()),
		pauseArtifact(root, host),
		golang("marina-agent", "", []string{"marina-agent"}, goProgram{
			dir: ".", packages: []string{"./deploy/cmd/marina-agent"}, out: "marina-agent",
		}),
		imagesArtifact(root),
		nodeArtifact(host),
		terminalArtifact(host),
	)
	all = append(append(all, consoleArtifacts(root, host)...), marina)
	return append(all, testArtifacts(root, golang)...)
}

// testArtifacts lists what only the tests use: nobody who runs Marina waits for
// it, and it is never shipped.
func testArtifacts(root string, golang func(name, hint string, links []string, p goProgram) artifact) []artifact {
	list := []artifact{
		golang("vault", "about ten minutes the first time", []string{"vault"}, goProgram{
			dir: vaultDir, packages: []string{"."}, out: "vault", tags: []string{"minimal"},
		}),
	}
	list = append(list, conformanceArtifacts(root, golang)...)
	for i := range list {
		list[i].tests = true
	}
	return list
}

func newest() struct{ version, modfile string } { return minors[len(minors)-1] }

// agnhost is the program by which Kubernetes' own tests look at a cluster from
// inside a pod.
func agnhost() goProgram {
	return goProgram{
		dir: addonsDir, packages: []string{"k8s.io/kubernetes/test/images/agnhost"}, out: "agnhost",
	}
}

// kubernetesVersion are the values that upstream's build sets
// (hack/lib/version.sh), for the version of the module that is built.
func kubernetesVersion(version func(string) string) map[string]string {
	v := version("k8s.io/kubernetes") // v1.37.2
	major, rest, _ := strings.Cut(strings.TrimPrefix(v, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	values := map[string]string{}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		maps.Copy(values, map[string]string{
			pkg + ".gitVersion":   v,
			pkg + ".gitMajor":     major,
			pkg + ".gitMinor":     minor,
			pkg + ".gitTreeState": "clean",
		})
	}
	return values
}

// binNames are all names that the artifacts have in bin/.
func binNames(all []artifact) map[string]bool {
	names := map[string]bool{}
	for _, a := range all {
		for n := range a.links {
			names[n] = true
		}
	}
	return names
}

// key is the hash of everything that the artifact is made from. keys holds those
// of the artifacts that it needs.
func key(ctx context.Context, a artifact, keys map[string]string) (string, error) {
	k := cache.NewKey()
	k.Text("artifact", a.name)
	for _, n := range slices.Sorted(slices.Values(a.needs)) {
		k.Text("needs "+n, keys[n])
	}
	if err := a.inputs(ctx, k); err != nil {
		return "", fmt.Errorf("%s: %w", a.name, err)
	}
	return k.Sum(), nil
}

// under joins a path below the directory of a needed artifact.
func (d dirs) under(artifact string, elem ...string) string {
	return filepath.Join(append([]string{d[artifact]}, elem...)...)
}
