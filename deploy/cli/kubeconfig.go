package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	kube "k8s.io/client-go/tools/clientcmd/api"

	"github.com/marina-cloud/marina/deploy/client"
)

// kubeconfigOptions say what becomes of a kubeconfig.
type kubeconfigOptions struct {
	print, embed bool
	output       string
	life         time.Duration
}

func (e *env) kubeconfigCommand() *cobra.Command {
	var o kubeconfigOptions
	c := &cobra.Command{
		Use:   "kubeconfig CLUSTER",
		Short: "Let kubectl use a cluster",
		Long: "Add a cluster to the kubeconfig ($KUBECONFIG, else ~/.kube/config) and make it the current one.\n" +
			"kubectl then asks this program for credentials: they are good for an hour and renewed by themselves,\n" +
			"for as long as you are logged in, or MARINA_TOKEN is set. Where this program is not, take a file with\n" +
			"a certificate in it, which ends: --embed, or --print.",
		Example: "  marina kubeconfig production\n  kubectl get nodes\n" +
			"  marina kubeconfig production --embed --expires-in 24h --output ci.kubeconfig",
		Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("expires-in") && !o.embed && !o.print {
				return &usageError{cmd, "--expires-in is for a kubeconfig with a certificate in it: say --embed or --print, too"}
			}
			c, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			if o.print || o.embed {
				return e.embedKubeconfig(cmd, c, k, o)
			}
			return e.installKubeconfig(cmd, c, k, o.output)
		},
	}
	c.Flags().BoolVar(&o.print, "print", false, "print a kubeconfig with a certificate in it, and change no file")
	c.Flags().BoolVar(&o.embed, "embed", false, "put a certificate into the kubeconfig, which works without this program until it ends")
	c.Flags().DurationVar(&o.life, "expires-in", 8*time.Hour, "`time` until the certificate ends, from 10m to 720h")
	c.Flags().StringVarP(&o.output, "output", "o", "", "change this `file` instead, readable by you alone")
	c.AddCommand(e.kubeconfigCredential())
	return c
}

// embedKubeconfig gets a kubeconfig with a certificate in it.
func (e *env) embedKubeconfig(cmd *cobra.Command, c *client.Client, k client.Cluster, o kubeconfigOptions) error {
	data, err := c.Kubeconfig(cmd.Context(), k.ID, o.life)
	if err != nil {
		return err
	}
	if o.print {
		return e.print(map[string]string{"kubeconfig": string(data)}, func(w io.Writer) { _, _ = w.Write(data) })
	}
	got, err := clientcmd.Load(data)
	if err != nil {
		return fmt.Errorf("read the kubeconfig that %s answered: %w", c.Server, err)
	}
	in := got.Contexts[got.CurrentContext]
	if in == nil || got.Clusters[in.Cluster] == nil || got.AuthInfos[in.AuthInfo] == nil {
		return fmt.Errorf("the kubeconfig that %s answered has no current context", c.Server)
	}
	return e.merge(k, o.output, got.Clusters[in.Cluster], got.AuthInfos[in.AuthInfo])
}

// installKubeconfig makes kubectl ask this program for credentials. The first one is
// fetched now: what does not work is told now, and not by kubectl.
func (e *env) installKubeconfig(cmd *cobra.Command, c *client.Client, k client.Cluster, output string) error {
	x, err := c.CreateCredential(cmd.Context(), k.ID)
	if err != nil {
		return err
	}
	if err := e.credentialCache(c, k.ID).write(x); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find out where this program is: %w", err)
	}
	args := []string{"--server", c.Server}
	if e.home != "" {
		home, err := filepath.Abs(e.home)
		if err != nil {
			return err
		}
		args = append(args, "--home", home)
	}
	at := x.Spec.Cluster
	return e.merge(k, output,
		&kube.Cluster{Server: at.Server, TLSServerName: at.ServerName, CertificateAuthorityData: at.Authority},
		&kube.AuthInfo{Exec: &kube.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: program, Args: append(args, "kubeconfig", "credential", k.ID),
			InteractiveMode: kube.NeverExecInteractiveMode,
			InstallHint:     "Marina's command line is needed to get credentials for this cluster. `marina kubeconfig " + k.Name + "` writes this anew once it is there.",
		}})
}

// merge adds a cluster to a kubeconfig: the file named, else the one that kubectl
// would change.
func (e *env) merge(k client.Cluster, output string, cluster *kube.Cluster, user *kube.AuthInfo) error {
	files := clientcmd.NewDefaultPathOptions()
	if output != "" {
		files.LoadingRules.ExplicitPath = output
	}
	config, err := files.GetStartingConfig()
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	// Named by the id: another installation may have a cluster of the same name.
	name := k.Name
	if other := config.Contexts[name]; other != nil && other.Cluster != k.ID {
		name = k.Name + "-" + k.ID
	}
	context := config.Contexts[name]
	if context == nil {
		context = kube.NewContext() // one that is there may have a namespace
	}
	context.Cluster, context.AuthInfo = k.ID, k.ID
	config.Clusters[k.ID], config.AuthInfos[k.ID], config.Contexts[name], config.CurrentContext = cluster, user, context, name
	for _, of := range []*string{&cluster.LocationOfOrigin, &user.LocationOfOrigin, &context.LocationOfOrigin} {
		*of = files.GetDefaultFilename()
	}
	if err := clientcmd.ModifyConfig(files, *config, false); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	file := files.GetDefaultFilename()
	if err := os.Chmod(file, 0o600); err != nil { // also where others could read it before
		return fmt.Errorf("keep the kubeconfig from others: %w", err)
	}
	return e.print(map[string]string{"path": file, "context": name}, func(w io.Writer) {
		fmt.Fprintf(w, "Added the context %s to %s.\nNext: kubectl%s get nodes\n", name, file, flagFor(output))
	})
}

func flagFor(output string) string {
	if output == "" {
		return ""
	}
	return " --kubeconfig " + output
}

// writeSecret writes a file that only this user can read, also where there was one
// that others could.
func writeSecret(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Chmod(0o600)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	return errors.Join(err, f.Close())
}
