package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/marina-cloud/marina/internal/home"
)

// greet says where everything is and how to go on.
func (e *env) greet(w io.Writer, h home.Home, r upResult, passwordFile, program string) {
	marina := typed("marina", program)
	if e.home != "" {
		marina += " --home " + h.Dir
	}
	account := r.Email
	if passwordFile != "" {
		account += ", password in " + passwordFile
	}
	fmt.Fprintf(w, "\nMarina is up.\n\n  API         %s  (described at %s/openapi.json)\n  Account     %s\n", r.API, r.API, account)
	if r.Cluster != "" {
		fmt.Fprintf(w, "  Cluster     %s at %s\n  Kubeconfig  %s\n", r.Cluster, r.Endpoint, r.Kubeconfig)
	}
	fmt.Fprint(w, "\nGo on:\n")
	if r.Cluster != "" {
		kubectl := typed("kubectl", filepath.Join(filepath.Dir(program), "kubectl"))
		fmt.Fprintf(w, "  export KUBECONFIG=%s\n  %s get nodes,pods -o wide\n", r.Kubeconfig, kubectl)
	}
	fmt.Fprintf(w, "  %s clusters create mine --wait\n  %s status\n  %s down          (stop; --purge deletes all data)\n", marina, marina, marina)
}

// typed is how a person here runs a program: by its name where the shell finds
// one, else by the shorter path.
func typed(name, path string) string {
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	cwd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(cwd, path)
	if err != nil || len(rel) >= len(path) {
		return path
	}
	if !strings.Contains(rel, "/") {
		return "./" + rel // or the shell would look for it elsewhere
	}
	return rel
}
