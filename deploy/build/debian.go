package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// requirement is a Debian package and the files by which its presence shows,
// whoever put them there.
type requirement struct {
	pkg   string
	proof []string // alternatives; patterns as in path/filepath.Match
}

// requirements are what Marina takes from Debian or Ubuntu, to build or to run.
var requirements = []requirement{
	{"gcc", []string{"/usr/bin/gcc"}},
	{"libc6-dev", []string{"/usr/lib/*/libc.a"}},
	{"libseccomp-dev", []string{"/usr/lib/*/libseccomp.a"}},
	{"pkg-config", []string{"/usr/bin/pkg-config"}},
	{"ca-certificates", []string{certificates}},
	{"busybox-static", []string{"/var/lib/dpkg/info/busybox-static.list"}},
	{"nftables", []string{"/usr/sbin/nft"}},
	{"iproute2", []string{"/usr/sbin/ip", "/usr/bin/ip", "/sbin/ip", "/bin/ip"}},
	{"conntrack", []string{"/usr/sbin/conntrack"}},
	{"procps", []string{"/usr/sbin/sysctl", "/sbin/sysctl"}},
	{"mount", []string{"/usr/bin/mount", "/bin/mount"}},
	{"util-linux", []string{"/usr/bin/nsenter"}},
	{"bash", []string{"/usr/bin/bash", "/bin/bash"}},
	{"bash-completion", []string{completions}},
	{"jq", []string{"/usr/bin/jq"}},
	{"dash", []string{"/usr/bin/dash", "/bin/dash"}},
	{"postgresql", []string{"/usr/lib/postgresql/*/bin/postgres"}},
}

// testRequirements are what only the tests take: a browser.
var testRequirements = []requirement{
	{"chromium", []string{"/usr/bin/chromium"}},
}

// missing returns the packages of those requirements of which no proof exists
// below root.
func missing(root string, reqs []requirement) []string {
	var pkgs []string
	for _, r := range reqs {
		found := false
		for _, pattern := range r.proof {
			files, _ := filepath.Glob(filepath.Join(root, pattern))
			found = found || len(files) > 0
		}
		if !found {
			pkgs = append(pkgs, r.pkg)
		}
	}
	return pkgs
}

// installMissing installs the Debian packages that are not there; with tests, also
// what only they take.
func installMissing(ctx context.Context, p *progress, tests bool) error {
	pkgs := missing("/", requirements)
	if tests {
		pkgs = append(pkgs, missing("/", testRequirements)...)
	}
	if len(pkgs) == 0 {
		return nil
	}
	list := strings.Join(pkgs, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("these packages are missing and this is not Debian or Ubuntu: %s", list)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("these packages are missing: install them with `sudo apt-get install %s`, or run this as root", list)
	}
	s := p.begin("Debian packages", "installing "+list, "")
	err := install(ctx, pkgs, s)
	s.end("installed "+list, err)
	return err
}

func install(ctx context.Context, pkgs []string, log io.Writer) error {
	// Debian's postgresql starts a server of its own when it is installed, unless
	// it is told before not to: Marina runs its own, on a unix socket.
	const dir = "/etc/postgresql-common/createcluster.d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("configure postgresql: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "marina.conf"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = io.WriteString(f, "# Written by Marina's build, which wants the programs of PostgreSQL and no server.\ncreate_main_cluster = false\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("configure postgresql: %w", err)
	}
	for _, args := range [][]string{
		{"update"},
		append([]string{"install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=300"}, pkgs...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}
