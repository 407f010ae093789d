package main

import (
	"context"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
	"github.com/marina-cloud/marina/deploy/build/internal/ociimage"
)

// debs are packages of Debian that are unpacked and never installed: what
// programs inside of images are made of.
type debs []string

// apt asks for the packages and for all that they depend on, as a system would
// that has none.
func (d debs) apt(ctx context.Context, dir string, args ...string) *exec.Cmd {
	args = append([]string{
		"-o", "Dir::State::status=/dev/null", "-o", "Debug::NoLocking=1", "-o", "Dir::Cache::archives=" + dir,
		"-o", "APT::Sandbox::User=root", "--yes", "--no-install-recommends", "install",
	}, append(args, d...)...)
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	return cmd
}

// inputs adds names, versions and hashes of all packages to the key. A machine
// that has no lists of packages yet gets them.
func (d debs) inputs(ctx context.Context, k *cache.Key) error {
	list := func() ([]byte, error) { return d.apt(ctx, "/nonexistent", "--print-uris", "--quiet=2").Output() }
	out, err := list()
	if err != nil {
		if update := exec.CommandContext(ctx, "apt-get", "update", "--quiet=2").Run(); update != nil {
			return fmt.Errorf("update the lists of packages: %w", describeExit(update))
		}
		out, err = list()
	}
	if err != nil {
		return fmt.Errorf("find the packages %s: %w", strings.Join(d, ", "), describeExit(err))
	}
	for line := range strings.Lines(string(out)) { // 'URI' FILE SIZE HASH
		if words := strings.Fields(line); len(words) >= 3 {
			k.Text("deb", strings.Join(words[1:], " "))
		}
	}
	return nil
}

// unpack fetches the packages and unpacks them below dir.
func (d debs) unpack(ctx context.Context, dir string, log io.Writer) error {
	archives, err := os.MkdirTemp(filepath.Dir(dir), "debs-")
	if err != nil {
		return fmt.Errorf("fetch packages: %w", err)
	}
	defer os.RemoveAll(archives)
	if err := os.Mkdir(filepath.Join(archives, "partial"), 0o755); err != nil {
		return fmt.Errorf("fetch packages: %w", err)
	}
	fetch := d.apt(ctx, archives, "--download-only")
	fetch.Stdout, fetch.Stderr = log, log
	if err := fetch.Run(); err != nil {
		return fmt.Errorf("fetch the packages %s: %w", strings.Join(d, ", "), err)
	}
	files, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return fmt.Errorf("fetch packages: %w", err)
	}
	for _, f := range files {
		unpack := exec.CommandContext(ctx, "dpkg-deb", "--extract", f, dir)
		unpack.Stdout, unpack.Stderr = log, log
		if err := unpack.Run(); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(f), err)
		}
	}
	return nil
}

// libraryDirs are where libraries lie, below the root that packages are unpacked to.
var libraryDirs = []string{"lib/*-linux-gnu", "usr/lib/*-linux-gnu"}

// programFiles returns the programs, given as paths below root, as files of an
// image, with all libraries that they load and their loader.
func programFiles(root string, programs ...string) ([]ociimage.File, error) {
	files := map[string]ociimage.File{}
	for todo := slices.Clone(programs); len(todo) > 0; todo = todo[1:] {
		path := todo[0]
		files[path] = ociimage.File{Path: "/" + path, Source: filepath.Join(root, path)}
		names, loader, err := needed(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		if loader != "" {
			real, err := library(root, filepath.Base(loader))
			if err != nil {
				return nil, err
			}
			files[loader] = ociimage.File{Path: loader, Source: filepath.Join(root, real)}
		}
		for _, name := range names {
			found, err := library(root, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if _, ok := files[found]; !ok {
				todo = append(todo, found)
			}
		}
	}
	return slices.Collect(maps.Values(files)), nil
}

// needed returns what an ELF file loads: names of libraries, and the path of the
// loader, which a library does not have.
func needed(path string) (names []string, loader string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("find the libraries of %s: %w", path, err)
	}
	defer f.Close()
	if names, err = f.ImportedLibraries(); err != nil {
		return nil, "", fmt.Errorf("find the libraries of %s: %w", path, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			text, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, "", fmt.Errorf("find the loader of %s: %w", path, err)
			}
			loader = strings.TrimRight(string(text), "\x00")
		}
	}
	// The C library names the loader, which is there already.
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "ld-linux") })
	return names, loader, nil
}

// library returns the path of a library below root.
func library(root, name string) (string, error) {
	for _, dir := range libraryDirs {
		matches, err := filepath.Glob(filepath.Join(root, dir, name))
		if err != nil {
			return "", fmt.Errorf("find library %s: %w", name, err)
		}
		if len(matches) > 0 {
			return filepath.Rel(root, matches[0])
		}
	}
	return "", fmt.Errorf("no package has the library %s", name)
}
