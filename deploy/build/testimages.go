package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
	"github.com/marina-cloud/marina/deploy/build/internal/ociimage"
)

const conformanceDir = "deploy/conformance"

// testImageDebs are the packages of the programs that upstream's images have and
// that are not Go programs.
var testImageDebs = debs{"bash", "busybox", "curl", "bind9-dnsutils", "libc-bin", "netcat-openbsd", "nginx"}

// testImageRecipe is what decides what is in the test images.
//
//go:embed testimages.go debs.go images.go internal/ociimage/ociimage.go
var testImageRecipe embed.FS

// conformanceArtifacts lists Kubernetes' own end-to-end tests, the program that
// runs them side by side, and the images that the tests use. An image is a file
// named as the last part of its name in test/utils/image/manifest.go there; the
// registry and the tag are given to it by whoever serves it.
func conformanceArtifacts(root string, golang func(name, hint string, links []string, p goProgram) artifact) []artifact {
	program := func(name, pkg string) artifact {
		return golang(name, "", nil, goProgram{dir: conformanceDir, packages: []string{pkg}, out: name})
	}
	tests := golang("e2e.test", "about five minutes the first time", []string{"e2e.test"}, goProgram{
		dir: conformanceDir, packages: []string{"k8s.io/kubernetes/test/e2e"}, out: "e2e.test", test: true,
		versions: kubernetesVersion,
	})
	ginkgo := program("ginkgo", "github.com/onsi/ginkgo/v2/ginkgo")
	ginkgo.links["ginkgo"] = "ginkgo"
	unpacked := artifact{
		name: "test-debs",
		inputs: func(ctx context.Context, k *cache.Key) error {
			return testImageDebs.inputs(ctx, k)
		},
		make: func(ctx context.Context, out string, _ dirs, log io.Writer) error {
			return testImageDebs.unpack(ctx, out, log)
		},
	}
	images := artifact{
		name:  "test-images",
		needs: []string{"pause", "agnhost", "test-debs", "etcd", "sample-apiserver", "nonewprivs"},
		links: map[string]string{"test-images": "."},
		inputs: func(_ context.Context, k *cache.Key) error {
			k.Text("arch", runtime.GOARCH)
			if err := k.File(certificates, certificates); err != nil {
				return err
			}
			return k.Files("recipe", testImageRecipe)
		},
		make: func(ctx context.Context, out string, needs dirs, log io.Writer) error {
			all, err := testImages(ctx, root, needs)
			if err != nil {
				return err
			}
			for name, img := range all {
				fmt.Fprintln(log, name)
				img.Name, img.Arch = registry+name+":test", runtime.GOARCH
				if err := writeImage(filepath.Join(out, name+".tar"), img); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return []artifact{
		tests, ginkgo,
		program("etcd", "go.etcd.io/etcd/server/v3"),
		program("sample-apiserver", "k8s.io/sample-apiserver"),
		program("nonewprivs", "k8s.io/kubernetes/test/images/nonewprivs"),
		unpacked, images,
	}
}

// testImages returns the images by name. See the Dockerfiles in test/images of the
// Kubernetes module.
func testImages(ctx context.Context, root string, needs dirs) (map[string]ociimage.Image, error) {
	kubernetes, err := modules(ctx, filepath.Join(root, conformanceDir), "k8s.io/kubernetes")
	if err != nil {
		return nil, err
	}
	box, err := busyboxFiles(ctx, needs["test-debs"])
	if err != nil {
		return nil, err
	}
	tools, err := programFiles(needs["test-debs"], "usr/bin/curl", "usr/bin/dig", "usr/bin/getent", "bin/nc.openbsd")
	if err != nil {
		return nil, err
	}
	lookups, err := programFiles(needs["test-debs"], "usr/bin/dig", "usr/bin/getent")
	if err != nil {
		return nil, err
	}
	web, err := programFiles(needs["test-debs"], "usr/sbin/nginx")
	if err != nil {
		return nil, err
	}
	with := func(files []ociimage.File, more ...ociimage.File) []ociimage.File {
		return append(append([]ociimage.File{}, files...), more...)
	}
	own := imageContents(needs)
	agnhost := own["agnhost"]
	agnhost.Files = with(agnhost.Files, with(box, tools...)...)
	// Upstream's image has nc from OpenBSD, not busybox's.
	agnhost.Files = append(agnhost.Files, ociimage.File{Path: "/bin/nc", Link: "nc.openbsd"})
	for _, name := range []string{"localhost.crt", "localhost.key"} {
		source := filepath.Join(kubernetes["k8s.io/kubernetes"].Dir, "test/images/agnhost/porter", name)
		agnhost.Files = append(agnhost.Files, ociimage.File{Path: "/" + name, Mode: 0o644, Source: source})
	}
	return map[string]ociimage.Image{
		"pause":   own["pause"],
		"agnhost": agnhost,
		"busybox": {Cmd: []string{"sh"}, Files: box},
		"nginx": {
			Cmd: []string{"nginx", "-g", "daemon off;"},
			Files: with(box, with(web,
				ociimage.File{Path: "/etc/nginx/nginx.conf", Mode: 0o644, Content: nginxConfig},
				ociimage.File{Path: "/usr/share/nginx/html/index.html", Mode: 0o644, Content: "<html><body><h1>Welcome to nginx!</h1></body></html>\n"},
				ociimage.File{Path: "/var/lib/nginx", Dir: true},
				ociimage.File{Path: "/var/log/nginx", Dir: true},
			)...),
		},
		"glibc-dns-testing": {Cmd: []string{"sh"}, Files: with(box, lookups...)},
		"nonewprivs": {
			Cmd:   []string{"nnp"},
			Files: with(box, ociimage.File{Path: "/usr/local/bin/nnp", Mode: 0o6755, Source: needs.under("nonewprivs", "nonewprivs")}),
		},
		"sample-apiserver": {
			Entrypoint: []string{"/sample-apiserver"},
			Files:      []ociimage.File{{Path: "/sample-apiserver", Source: needs.under("sample-apiserver", "sample-apiserver")}, {Path: "/tmp", Dir: true, Mode: 0o1777}},
		},
		"etcd": {
			Files: []ociimage.File{{Path: "/usr/local/bin/etcd", Source: needs.under("etcd", "etcd")}, {Path: "/tmp", Dir: true, Mode: 0o1777}},
		},
	}, nil
}

// nginxConfig serves one page as upstream's image does, and logs to the container.
const nginxConfig = `user nobody nogroup;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr;
events { worker_connections 128; }
http {
	access_log /dev/stdout;
	default_type text/html;
	server {
		listen 80;
		listen [::]:80;
		root /usr/share/nginx/html;
	}
}
`

// busyboxFiles is a small system around Debian's busybox, the one that is linked
// with the C library: the static one crashes when it looks up host names. Its shell
// takes its own commands for others of their name and drops variables whose names
// it could not set, which upstream's does not: bash is in its place.
func busyboxFiles(ctx context.Context, root string) ([]ociimage.File, error) {
	files, err := programFiles(root, "bin/busybox", "bin/bash")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(root, "bin/busybox"), "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("list the commands of busybox: %w", describeExit(err))
	}
	for name := range strings.FieldsSeq(string(out)) {
		if name != "busybox" && name != "sh" {
			files = append(files, ociimage.File{Path: "/bin/" + name, Link: "busybox"})
		}
	}
	return append(files,
		ociimage.File{Path: "/bin/sh", Link: "bash"},
		ociimage.File{Path: certificates, Source: certificates, Mode: 0o644},
		ociimage.File{Path: "/etc/passwd", Mode: 0o644, Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"},
		ociimage.File{Path: "/etc/group", Mode: 0o644, Content: "root:x:0:\nnogroup:x:65534:\n"},
		ociimage.File{Path: "/root", Dir: true, Mode: 0o700},
		ociimage.File{Path: "/run", Dir: true},
		ociimage.File{Path: "/tmp", Dir: true, Mode: 0o1777},
		ociimage.File{Path: "/var/tmp", Dir: true, Mode: 0o1777},
	), nil
}
