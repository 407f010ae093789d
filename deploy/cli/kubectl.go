package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/clientcmd"
	kube "k8s.io/client-go/tools/clientcmd/api"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) kubectlCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "kubectl CLUSTER [ARGUMENT...]",
		Short:   "Run the built kubectl against a cluster",
		Long:    "Run the built kubectl against a cluster. What follows the cluster's name is kubectl's.",
		Example: "  marina kubectl production get nodes\n  marina kubectl production run --rm -ti shell --image marina.local/agnhost:2.66.1 -- sh",
		Args: func(c *cobra.Command, args []string) error {
			return takes("CLUSTER")(c, args[:min(1, len(args))])
		},
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			program, err := artifacts.Path(artifacts.Kubectl)
			if err != nil {
				return err
			}
			x, err := e.credential(cmd, c, k.ID)
			if err != nil {
				return err
			}
			data, err := kubeconfigOf(x)
			if err != nil {
				return err
			}
			return e.runKubectl(cmd, program, data, args[1:])
		},
	}
	c.Flags().SetInterspersed(false)
	return c
}

// kubeconfigOf is a kubeconfig with a credential in it.
func kubeconfigOf(x client.ExecCredential) ([]byte, error) {
	c, at := kube.NewConfig(), x.Spec.Cluster
	c.Clusters["it"] = &kube.Cluster{Server: at.Server, TLSServerName: at.ServerName, CertificateAuthorityData: at.Authority}
	c.AuthInfos["it"] = &kube.AuthInfo{ClientCertificateData: []byte(x.Status.Certificate), ClientKeyData: []byte(x.Status.Key)}
	c.Contexts["it"], c.CurrentContext = &kube.Context{Cluster: "it", AuthInfo: "it"}, "it"
	return clientcmd.Write(*c)
}

// interruptGrace is how long kubectl may take to tidy up after an interrupt, such
// as to delete the pod of `kubectl run --rm`.
const interruptGrace = 30 * time.Second

// runKubectl ends as kubectl does. The kubeconfig is in memory alone, whatever
// becomes of this process.
func (e *env) runKubectl(cmd *cobra.Command, program string, kubeconfig []byte, args []string) error {
	config, err := memoryFile("kubeconfig", kubeconfig)
	if err != nil {
		return err
	}
	defer config.Close()
	run := exec.CommandContext(cmd.Context(), program, append([]string{"--kubeconfig", "/proc/self/fd/3"}, args...)...)
	run.Args[0] = "kubectl" // what a multi-call binary goes by
	run.ExtraFiles = []*os.File{config}
	run.Stdin, run.Stdout, run.Stderr = cmd.InOrStdin(), e.out, e.errs
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = interruptGrace
	err = run.Run()
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err
	}
	if ws, ok := ended.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return exitStatus(128 + int(ws.Signal())) // as shells say it
	}
	return exitStatus(ended.ExitCode())
}

// memoryFile holds a secret that no file system shall know.
func memoryFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, errors.Join(err, f.Close()))
	}
	return f, nil
}
