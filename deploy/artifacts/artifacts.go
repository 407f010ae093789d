// Package artifacts finds the files that `make build` makes: the binaries that
// marina starts and the root file system of a local machine.
//
// It is for the programs in deploy/cmd and for tests. Everything else is given
// the paths it needs.
package artifacts

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names that Path knows. The Kubernetes binaries are named after their minor
// version and found with Kubernetes.
const (
	Marina   = "marina"       // the program of the hosting layer
	Agent    = "marina-agent" // what runs on a node
	Etcd     = "marina-etcd"  // a tenant's etcd
	Runc     = "runc"         // static, starts tenants' containers and local machines
	Node     = "node"         // directory: the root file system of a local machine
	Terminal = "terminal"     // directory: the root file system of the terminals in the browser
	Kubectl  = "kubectl"      // of the newest minor
)

// What only tests use: `make test` builds it, `make build` does not.
const (
	Vault       = "vault"       // a server
	Conformance = "e2e.test"    // Kubernetes' own end-to-end tests
	Ginkgo      = "ginkgo"      // runs them side by side
	TestImages  = "test-images" // directory: the images that they use
)

var forTests = []string{Vault, Conformance, Ginkgo, TestImages}

// Kubernetes is the name of the multi-call binary of a Kubernetes minor such as "1.37".
func Kubernetes(minor string) string { return "marina-kubernetes-" + minor }

const (
	module = "github.com/marina-cloud/marina"
	advice = "run make build in the repository"
	// adviceTests is about what only tests use.
	adviceTests = "run go run ./deploy/build --tests in the repository"
)

// Dir is the absolute path of the directory that holds the built files: the
// directory of the running executable if they lie there (`bin/marina`, or an
// installed Marina), else bin/ of the module that the working directory is in
// (`go run`, `go test`). The error says what to do.
func Dir() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the built files: %w", err)
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the built files: %w", err)
	}
	return find(filepath.Dir(exe), wd)
}

// Path is the absolute path of one built file, with symbolic links resolved: it
// names the same content for as long as it exists, whatever is built later.
func Path(name string) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return resolve(dir, name)
}

func resolve(dir, name string) (string, error) {
	link := filepath.Join(dir, name)
	path, err := filepath.EvalSymlinks(link)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(forTests, name) {
		return "", fmt.Errorf("%s has not been built: %s", link, adviceTests)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s has not been built: %s", link, advice)
	}
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	return path, nil
}

func find(exeDir, workDir string) (string, error) {
	if holdsBuild(exeDir) {
		return exeDir, nil
	}
	for dir := workDir; ; dir = filepath.Dir(dir) {
		if isModule(dir) {
			bin := filepath.Join(dir, "bin")
			if !holdsBuild(bin) {
				return "", fmt.Errorf("%s does not hold the built files: %s", bin, advice)
			}
			return bin, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no built files beside the executable in %s, and %s is not in Marina's repository: %s", exeDir, workDir, advice)
		}
	}
}

// holdsBuild is true of a directory with the two files that no other directory
// has side by side.
func holdsBuild(dir string) bool {
	for _, name := range []string{Node, Etcd} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// isModule is true of the root of Marina's module, and not of the modules nested in it.
func isModule(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name) == module
		}
	}
	return false
}
