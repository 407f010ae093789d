package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// certificates is the bundle of certificate authorities of Debian and Ubuntu.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// host is what the build takes from the machine that it runs on.
type host struct {
	goVersion string // of the Go tools, with architecture
	compiler  string // of C, and of the libraries that are linked statically
	node      string // version of Node.js; empty when there is none
}

// toolPath is where the host's programs lie; an ordinary user's PATH lacks sbin.
var toolPath = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// inspect reads the versions of the host's tools.
func inspect(ctx context.Context) (host, error) {
	var h host
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOEXPERIMENT").Output()
	if err != nil {
		return h, fmt.Errorf("run go env: %w", err)
	}
	h.goVersion = string(out)
	h.compiler, err = inspectCompiler(ctx)
	if err != nil {
		return h, err
	}
	// Whoever finds the console in the cache needs none.
	if out, err := exec.CommandContext(ctx, "node", "--version").Output(); err == nil {
		h.node = strings.TrimSpace(string(out))
	}
	return h, nil
}

// inspectCompiler tells one C compiler and set of static libraries from another.
func inspectCompiler(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, "gcc", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run gcc: %w", describeExit(err))
	}
	k := cache.NewKey()
	k.Text("gcc", string(version))
	for _, lib := range []string{"libc.a", "libseccomp.a"} {
		path, err := exec.CommandContext(ctx, "gcc", "-print-file-name="+lib).Output()
		if err != nil {
			return "", fmt.Errorf("ask gcc for %s: %w", lib, describeExit(err))
		}
		if err := k.File(lib, strings.TrimSpace(string(path))); err != nil {
			return "", err
		}
	}
	return k.Sum(), nil
}

// findTool returns the path of a program of the host.
func findTool(name string) (string, error) {
	for _, dir := range toolPath {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %s in %s", name, strings.Join(toolPath, ", "))
}

// busybox is the path of the statically linked busybox.
func busybox() string {
	path, err := findTool("busybox")
	if err != nil {
		return "/bin/busybox" // the reader's error names it
	}
	return path
}

// libraryLine matches a line of ldd that names a file: a library that was found
// (after "=>") or the loader.
var libraryLine = regexp.MustCompile(`^\t(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$`)

// closure returns the programs called names and every shared library that they
// load, sorted.
func (host) closure(ctx context.Context, names []string) ([]string, error) {
	var files []string
	for _, n := range names {
		path, err := findTool(n)
		if err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	out, err := exec.CommandContext(ctx, "ldd", files...).Output()
	if err != nil {
		return nil, fmt.Errorf("find the libraries of %s: %w", strings.Join(names, ", "), describeExit(err))
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasSuffix(line, "not found") {
			return nil, fmt.Errorf("find the libraries of %s: %s", strings.Join(names, ", "), strings.TrimSpace(line))
		}
		if m := libraryLine.FindStringSubmatch(line); m != nil {
			files = append(files, m[1])
		}
	}
	return sorted(files), nil
}

// describeExit adds what a program said on standard error to the error of its run.
func describeExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}
