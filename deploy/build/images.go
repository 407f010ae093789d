package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
	"github.com/marina-cloud/marina/deploy/build/internal/ociimage"
)

// registry is the host part of our images' names. There is no such host, so that
// a missing image is an error at once and never a pull of something else.
const registry = "marina.local/"

// pauseArtifact builds the program that holds a pod's namespaces.
func pauseArtifact(root string, host host) artifact {
	// sources finds pause.c and its version in the Kubernetes module.
	sources := func(ctx context.Context) (file, version string, err error) {
		mods, err := modules(ctx, filepath.Join(root, addonsDir), "k8s.io/kubernetes")
		if err != nil {
			return "", "", err
		}
		version, err = makeVariable(mods["k8s.io/kubernetes"].pause("Makefile"), "TAG")
		return mods["k8s.io/kubernetes"].pause("linux/pause.c"), version, err
	}
	flags := []string{"-Os", "-Wall", "-Werror", "-static", "-s"}
	return artifact{
		name: "pause",
		inputs: func(ctx context.Context, k *cache.Key) error {
			file, version, err := sources(ctx)
			if err != nil {
				return err
			}
			k.Text("C", host.compiler)
			k.Text("version", version)
			k.Text("flags", strings.Join(flags, " "))
			return k.File("pause.c", file)
		},
		make: func(ctx context.Context, out string, _ dirs, log io.Writer) error {
			file, version, err := sources(ctx)
			if err != nil {
				return err
			}
			args := append(flags, "-DVERSION=v"+version, "-o", filepath.Join(out, "pause"), file)
			cmd := exec.CommandContext(ctx, "gcc", args...)
			cmd.Stdout, cmd.Stderr = log, log
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("gcc pause.c: %w", err)
			}
			return os.WriteFile(filepath.Join(out, "version"), []byte(version), 0o644)
		},
	}
}

// makeVariable reads `NAME ?= value` from a Makefile.
func makeVariable(file, name string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read a version: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" ?= "); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("read a version: %s does not set %s", file, name)
}

// pause is a file of the pause program in the Kubernetes module.
func (m goModule) pause(name string) string { return filepath.Join(m.Dir, "build/pause", name) }

// imageTags returns the tag of each image that every node has from the start:
// upstream's versions.
func imageTags(ctx context.Context, root string) (map[string]string, error) {
	const kubernetes, coredns, metrics = "k8s.io/kubernetes", "github.com/coredns/coredns", "sigs.k8s.io/metrics-server"
	mods, err := modules(ctx, filepath.Join(root, addonsDir), kubernetes, coredns, metrics)
	if err != nil {
		return nil, err
	}
	agnhost, err := os.ReadFile(filepath.Join(mods[kubernetes].Dir, "test/images/agnhost/VERSION"))
	if err != nil {
		return nil, fmt.Errorf("read a version: %w", err)
	}
	pause, err := makeVariable(mods[kubernetes].pause("Makefile"), "TAG")
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"pause":          pause,
		"agnhost":        strings.TrimSpace(string(agnhost)),
		"coredns":        mods[coredns].Version,
		"metrics-server": mods[metrics].Version,
	}, nil
}

func imagesArtifact(root string) artifact {
	return artifact{
		name:  "images",
		needs: []string{"pause", "agnhost", "coredns", "metrics-server"},
		links: map[string]string{"images": "."},
		inputs: func(ctx context.Context, k *cache.Key) error {
			versions, err := imageTags(ctx, root)
			if err != nil {
				return err
			}
			text, err := json.Marshal(versions)
			if err != nil {
				return fmt.Errorf("hash an input: %w", err)
			}
			k.Text("versions", string(text))
			k.Text("arch", runtime.GOARCH)
			for _, f := range []string{busybox(), certificates} {
				if err := k.File(f, f); err != nil {
					return err
				}
			}
			return k.Files("recipe", recipe)
		},
		make: func(ctx context.Context, out string, needs dirs, log io.Writer) error {
			versions, err := imageTags(ctx, root)
			if err != nil {
				return err
			}
			names := map[string]string{}
			for short, img := range imageContents(needs) {
				img.Name, img.Arch = registry+short+":"+versions[short], runtime.GOARCH
				names[short] = img.Name
				fmt.Fprintln(log, img.Name)
				if err := writeImage(filepath.Join(out, short+".tar"), img); err != nil {
					return err
				}
			}
			list, err := json.MarshalIndent(names, "", "  ")
			if err != nil {
				return fmt.Errorf("list the images: %w", err)
			}
			return os.WriteFile(filepath.Join(out, "images.json"), append(list, '\n'), 0o644)
		},
	}
}

func writeImage(path string, img ociimage.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write image %s: %w", img.Name, err)
	}
	defer f.Close()
	if err := ociimage.Write(f, img); err != nil {
		return err
	}
	return f.Close()
}

// imageContents are the images without name and platform.
func imageContents(needs dirs) map[string]ociimage.Image {
	certs := ociimage.File{Path: certificates, Source: certificates, Mode: 0o644}
	agnhostFiles := []ociimage.File{
		certs,
		{Path: "/agnhost", Source: needs.under("agnhost", "agnhost")},
		// Kubernetes' tests tell by this name whether an entry point was overridden.
		{Path: "/agnhost-2", Link: "agnhost"},
		{Path: "/uploads", Dir: true},
		{Path: "/tmp", Dir: true, Mode: 0o1777},
		{Path: "/bin/busybox", Source: busybox()},
		{Path: "/etc/passwd", Mode: 0o644, Content: "root:x:0:0:root:/root:/bin/sh\nuser-defined-in-image:x:1000:1000::/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"},
		{Path: "/etc/group", Mode: 0o644, Content: "root:x:0:\nuser-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\nnogroup:x:65534:\n"},
		{Path: "/root", Dir: true, Mode: 0o700},
	}
	for _, name := range applets {
		agnhostFiles = append(agnhostFiles, ociimage.File{Path: "/bin/" + name, Link: "busybox"})
	}
	return map[string]ociimage.Image{
		"pause": {
			Entrypoint: []string{"/pause"}, User: "65535:65535",
			Files: []ociimage.File{{Path: "/pause", Source: needs.under("pause", "pause")}},
		},
		// Root, but only to bind port 53: its Deployment drops every capability else.
		"coredns": {
			Entrypoint: []string{"/coredns"},
			Files:      []ociimage.File{certs, {Path: "/coredns", Source: needs.under("coredns", "coredns")}},
		},
		"metrics-server": {
			Entrypoint: []string{"/metrics-server"}, User: "65532:65532",
			Files: []ociimage.File{certs, {Path: "/tmp", Dir: true, Mode: 0o1777}, {Path: "/metrics-server", Source: needs.under("metrics-server", "metrics-server")}},
		},
		"agnhost": {Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}, Files: agnhostFiles},
	}
}

// applets are the commands of busybox that images and nodes get. Those that look
// up host names are left out: Debian's static build crashes in glibc's resolver.
var applets = strings.Fields(`
	[ ash awk base64 basename cat chgrp chmod chown clear cmp cp cut date dd df diff
	dirname dmesg du echo env expr false find free grep gunzip gzip head hostname id
	kill less ln ls md5sum mkdir mkfifo mknod mktemp more mv nproc od pidof pgrep
	pkill printf ps pwd readlink realpath reset rm rmdir sed seq sh sha256sum sleep
	sort stat stty sync tail tar tee test timeout top touch tr true tty uname uniq
	uptime vi watch wc which xargs yes`)
