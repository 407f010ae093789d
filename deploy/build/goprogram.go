package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

// goProgram is a set of Go programs that are built by one command.
type goProgram struct {
	dir      string   // of the module, relative to the repository
	modfile  string   // other than go.mod, in dir
	packages []string // import paths, or ./ paths below dir
	out      string   // name of the one program's file; empty for several: each has its package's name
	cgo      bool
	test     bool // build the one package's tests, as `go test -c` does
	tags     []string
	ldflags  []string
	// versions returns -X values from the versions of modules, so that no version
	// is written down twice.
	versions func(version func(module string) string) map[string]string
}

// goEnv is the environment in which all Go programs are listed and built. The
// flags are the same for all, so that they share Go's build cache.
func (p goProgram) goEnv() []string {
	cgo := "0"
	if p.cgo {
		cgo = "1"
	}
	return append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED="+cgo)
}

// common are the flags by which `go list` and `go build` see the same packages.
func (p goProgram) common() []string {
	var args []string
	if p.modfile != "" {
		args = append(args, "-modfile="+p.modfile)
	}
	if len(p.tags) > 0 {
		args = append(args, "-tags="+strings.Join(p.tags, ","))
	}
	return args
}

// sources is what a Go program is made of.
type sources struct {
	files    []string          // absolute; those in the repository
	versions map[string]string // of the modules from elsewhere
	settings []string          // of go.mod, which change the program though no source does
}

// list finds what the programs are made of. It downloads missing modules.
func (p goProgram) list(ctx context.Context, root string) (sources, error) {
	args := []string{"list", "-deps", fmt.Sprintf("-test=%t", p.test), "-json=ImportPath,Dir,GoFiles,CgoFiles,CFiles,HFiles,SFiles,EmbedFiles,Standard,DefaultGODEBUG,Module,Error"}
	args = append(append(args, p.common()...), p.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = filepath.Join(root, p.dir), p.goEnv()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return sources{}, fmt.Errorf("list the packages of %s: %w\n%s", strings.Join(p.packages, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	s := sources{versions: map[string]string{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath, Dir, DefaultGODEBUG                       string
			GoFiles, CgoFiles, CFiles, HFiles, SFiles, EmbedFiles []string
			Standard                                              bool
			Module                                                *struct {
				Path, Version, GoVersion string
				Main                     bool
				Replace                  *struct{ Path, Version string }
			}
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return s, nil
		} else if err != nil {
			return sources{}, fmt.Errorf("read what go list says: %w", err)
		}
		m := pkg.Module
		if pkg.Standard || m == nil {
			continue
		}
		local := m.Main
		version := m.Version
		if m.Replace != nil {
			local = m.Replace.Version == ""
			version = m.Replace.Path + "@" + m.Replace.Version
			if m.Replace.Path == m.Path {
				version = m.Replace.Version
			}
		}
		if pkg.DefaultGODEBUG != "" {
			s.settings = append(s.settings, pkg.ImportPath+" "+pkg.DefaultGODEBUG)
		}
		if !local {
			s.versions[m.Path] = version
			continue
		}
		if setting := m.Path + " go " + m.GoVersion; !slices.Contains(s.settings, setting) {
			s.settings = append(s.settings, setting)
		}
		for _, names := range [][]string{pkg.GoFiles, pkg.CgoFiles, pkg.CFiles, pkg.HFiles, pkg.SFiles, pkg.EmbedFiles} {
			for _, n := range names {
				s.files = append(s.files, filepath.Join(pkg.Dir, n))
			}
		}
	}
}

// inputs adds everything that the programs depend on to the key.
func (p goProgram) inputs(ctx context.Context, root, goVersion string, k *cache.Key) error {
	s, err := p.list(ctx, root)
	if err != nil {
		return err
	}
	k.Text("go", goVersion)
	k.Text("flags", strings.Join(append(p.flags(s), p.common()...), " "))
	k.Text("programs", strings.Join(append(p.packages, p.out), " "))
	k.Text("cgo", fmt.Sprint(p.cgo))
	if p.test {
		k.Text("go", "test -c")
	}
	k.Text("settings", strings.Join(s.settings, "\n"))
	for _, m := range slices.Sorted(maps.Keys(s.versions)) {
		k.Text(m, s.versions[m])
	}
	slices.Sort(s.files)
	for _, f := range s.files {
		name, err := filepath.Rel(root, f)
		if err != nil {
			return fmt.Errorf("hash an input: %w", err)
		}
		if err := k.File(name, f); err != nil {
			return err
		}
	}
	return nil
}

// flags are the flags of `go build` besides common ones.
func (p goProgram) flags(s sources) []string {
	ld := append([]string{"-s", "-w"}, p.ldflags...)
	if p.versions != nil {
		values := p.versions(func(module string) string { return s.versions[module] })
		for _, name := range slices.Sorted(maps.Keys(values)) {
			ld = append(ld, "-X", name+"="+values[name])
		}
	}
	return []string{"-trimpath", "-buildvcs=false", "-ldflags=" + strings.Join(ld, " ")}
}

// build builds the programs into the directory out.
func (p goProgram) build(ctx context.Context, root, out string, log io.Writer) error {
	s, err := p.list(ctx, root)
	if err != nil {
		return err
	}
	target := out + "/"
	if p.out != "" {
		target += p.out
	}
	args := []string{"build", "-v", "-o", target}
	if p.test {
		args = []string{"test", "-c", "-o", target}
	}
	args = append(args, p.flags(s)...)
	args = append(append(args, p.common()...), p.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = filepath.Join(root, p.dir), p.goEnv()
	cmd.Stdout, cmd.Stderr = log, log
	// Interrupted, go removes its temporary files; killed, it leaves them.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return fmt.Errorf("go %s %s: %w", args[0], strings.Join(p.packages, " "), err)
	}
	return nil
}
