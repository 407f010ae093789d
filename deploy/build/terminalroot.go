package main

import (
	"context"
	"embed"
	"io"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// terminalTools are the host's programs that a terminal in the browser has, besides
// busybox and kubectl.
var terminalTools = []string{"bash", "jq"}

// terminalDirs are the directories that something is mounted over.
var terminalDirs = []string{"dev", "proc", "sys", "tmp", "home/me", "run/marina"}

// terminalEtc is what lies in /etc of a terminal. passwd and group are places for
// files of the one who sits there.
//
//go:embed terminal
var terminalEtc embed.FS

// completions is what bash knows of completing command lines; kubectl's builds on it.
const completions = "/usr/share/bash-completion/bash_completion"

// terminalArtifact assembles the root file system of the terminals in the browser.
func terminalArtifact(host host) artifact {
	kubernetes := "kubernetes-" + newest().version
	return artifact{
		name: "terminal", needs: []string{kubernetes}, links: map[string]string{"terminal": "."},
		inputs: func(ctx context.Context, k *cache.Key) error {
			files, err := host.closure(ctx, terminalTools)
			if err != nil {
				return err
			}
			for _, f := range append(files, busybox(), completions) {
				if err := k.File(f, f); err != nil {
					return err
				}
			}
			if err := k.Files("terminal", terminalEtc); err != nil {
				return err
			}
			return k.Files("recipe", recipe)
		},
		make: func(ctx context.Context, out string, needs dirs, _ io.Writer) error {
			tools, err := host.closure(ctx, terminalTools)
			if err != nil {
				return err
			}
			r := &rootFS{dir: out}
			for _, d := range append(terminalDirs, "usr/bin", "usr/lib", "usr/lib64") {
				r.mkdir(d)
			}
			for link, target := range map[string]string{"bin": "usr/bin", "sbin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"} {
				r.link(target, link)
			}
			r.embedded(terminalEtc, "terminal", "etc")
			for _, f := range tools {
				r.copy(f, nodePath(f))
			}
			r.copy(completions, strings.TrimPrefix(completions, "/"))
			r.copy(busybox(), "usr/bin/busybox")
			for _, name := range applets {
				r.link("busybox", "usr/bin/"+name)
			}
			r.all(needs[kubernetes], "usr/bin")
			r.link("marina-kubernetes-"+newest().version, "usr/bin/kubectl")
			return r.err
		},
	}
}
