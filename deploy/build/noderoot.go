package main

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// nodeEtc is what lies in /etc of a local machine besides certificates.
//
//go:embed etc
var nodeEtc embed.FS

// recipe is the part of the build that decides what is in images and in a
// machine's root. Changing it makes new ones.
//
//go:embed host.go images.go noderoot.go rootfs.go terminalroot.go internal/ociimage/ociimage.go
var recipe embed.FS

// nodeDirs are the directories of a local machine's root that something is
// mounted over or written to. The root itself is mounted read-only.
var nodeDirs = []string{
	"dev", "proc", "sys", "run", "mnt", "root", "opt/cni/bin",
	"etc/kubernetes", "etc/cni/net.d", "etc/containerd", "etc/marina",
	"var/lib/kubelet", "var/lib/containerd", "var/lib/cni", "var/log/pods", "var/log/containers",
}

// nodeLinks make the root a merged one, as Debian's is. Programs look for each
// other in /sbin and for the loader in /lib64.
var nodeLinks = map[string]string{
	"bin": "usr/bin", "sbin": "usr/bin", "usr/sbin": "bin",
	"lib": "usr/lib", "lib64": "usr/lib64", "var/run": "../run",
}

// nodeTools are the host's programs that a machine has: the CNI plugins, kubelet
// and kube-proxy run nft, ip, mount and umount; the rest is for people.
var nodeTools = []string{"nft", "ip", "tc", "ss", "mount", "umount", "findmnt", "nsenter", "dash", "conntrack", "sysctl"}

// nodeArtifact assembles the root file system of a local machine.
func nodeArtifact(host host) artifact {
	kubernetes := "kubernetes-" + newest().version
	return artifact{
		name:  "node",
		needs: []string{"containerd", "runc", "cni", "konnectivity-agent", kubernetes, "marina-agent", "images"},
		links: map[string]string{"node": "."},
		inputs: func(ctx context.Context, k *cache.Key) error {
			files, err := host.closure(ctx, nodeTools)
			if err != nil {
				return err
			}
			for _, f := range append(files, busybox(), certificates) {
				if err := k.File(f, f); err != nil {
					return err
				}
			}
			if err := k.Files("etc", nodeEtc); err != nil {
				return err
			}
			return k.Files("recipe", recipe)
		},
		make: func(ctx context.Context, out string, needs dirs, log io.Writer) error {
			tools, err := host.closure(ctx, nodeTools)
			if err != nil {
				return err
			}
			r := &rootFS{dir: out}
			skeleton(r)
			for _, f := range tools {
				r.copy(f, nodePath(f))
			}
			r.link("dash", "usr/bin/sh")
			r.copy(busybox(), "usr/bin/busybox")
			for _, name := range applets {
				r.link("busybox", "usr/bin/"+name) // unless a real one is there
			}
			for _, a := range []string{"containerd", "konnectivity-agent", kubernetes, "marina-agent"} {
				r.all(needs[a], "usr/bin")
			}
			for _, name := range []string{"kubelet", "kube-proxy", "kubectl"} {
				r.link("marina-kubernetes-"+newest().version, "usr/bin/"+name)
			}
			r.all(needs["runc"], "usr/bin")
			r.all(needs["cni"], "opt/cni/bin")
			r.all(needs["images"], "usr/share/marina/images")
			r.copy(certificates, "etc/ssl/certs/ca-certificates.crt")
			return r.err
		},
	}
}

// nodePath is where a host's program or library lies in a machine: programs in
// usr/bin, libraries where the loader and their RUNPATHs expect them.
func nodePath(file string) string {
	dir, name := path.Split(strings.TrimPrefix(file, "/"))
	dir = strings.TrimPrefix(path.Clean(dir), "usr/")
	if dir == "bin" || dir == "sbin" {
		return "usr/bin/" + name
	}
	return path.Join("usr", dir, name)
}

// skeleton makes what a machine's root has before any program.
func skeleton(r *rootFS) {
	for _, d := range []string{"usr/bin", "usr/lib", "usr/lib64", "usr/share/marina/images", "var"} {
		r.mkdir(d)
	}
	for _, d := range nodeDirs {
		r.mkdir(d)
	}
	for link, target := range nodeLinks {
		r.link(target, link)
	}
	for _, d := range []string{"tmp", "var/tmp"} {
		r.mkdir(d)
		r.do("make /"+d, func() error { return os.Chmod(filepath.Join(r.dir, d), 0o777|fs.ModeSticky) })
	}
	r.embedded(nodeEtc, "etc", "etc")
}

// sorted returns the distinct elements of list in order.
func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
