// Package cli is the marina command: what people type to use an installation, and
// what operators type to run one.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/progress"
	"github.com/marina-cloud/marina/internal/home"
)

// Version is Marina's version.
const Version = "0.1.0"

// env is what the commands share.
type env struct {
	out, errs io.Writer
	steps     *progress.Log // on errs, so that --json output stays clean

	home   string // --home
	server string // --server
	json   bool   // --json
}

// Main runs the command line args and returns the process's exit status: 0 when
// all went well, 2 when the command was not understood, 3 from `marina status`
// when Marina does not run, 4 from `marina backup` when clusters are missing in it,
// 130 after an interrupt, else 1. `marina kubectl` ends
// with kubectl's.
func Main(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	e := &env{out: out, errs: errs, steps: progress.New(errs)}
	root := e.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	return e.status(root.ExecuteContext(ctx))
}

func (e *env) root() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "marina",
		Short: "Managed Kubernetes that anyone can host",
		Long: "Marina hosts Kubernetes clusters: their control planes run here, outside the clusters;\n" +
			"their nodes register back. `marina up` starts an installation on this machine.\n\n" +
			"The environment variables MARINA_HOME and MARINA_SERVER stand for --home and --server;\n" +
			"MARINA_TOKEN, for programs, goes before a remembered log-in.",
		Version:       Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{c, err.Error()} })
	flags := root.PersistentFlags()
	flags.StringVar(&e.home, "home", os.Getenv("MARINA_HOME"), "`directory` of an installation on this machine (default "+home.Default+")")
	flags.StringVar(&e.server, "server", os.Getenv("MARINA_SERVER"), "`URL` of Marina's API (default: where you last logged in)")
	flags.BoolVar(&e.json, "json", false, "print the result as JSON")
	for _, name := range []string{"home", "server"} {
		flags.Lookup(name).DefValue = "" // the help tells it in words
	}
	_ = root.MarkPersistentFlagDirname("home") // the flag exists
	root.AddGroup(
		&cobra.Group{ID: "use", Title: "Use Marina:"},
		&cobra.Group{ID: "host", Title: "Host Marina:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("use", e.signupCommand(), e.verifySignUpCommand(), e.passwordCommand(), e.loginCommand(), e.clustersCommand(), e.poolsCommand(), e.nodesCommand(), e.kubeconfigCommand(), e.kubectlCommand(), e.credentialsCommand(),
		e.organizationsCommand(), e.membersCommand(), e.invitationsCommand(), e.auditCommand())
	add("host", e.upCommand(), e.downCommand(), e.statusCommand(), e.operatorCommand(), e.metricsCommand(), e.mailsCommand(), e.backupCommand(), e.restoreCommand(), e.secretsCommand(), e.serveCommand(), e.routerCommand())
	return root
}

// at returns the home that the flags mean.
func (e *env) at() (home.Home, error) {
	if e.home == "" {
		return home.At(home.Default)
	}
	return home.At(e.home)
}

// marina is the program's name with the flags that an advice has to repeat.
func (e *env) marina() string {
	if e.home == "" {
		return "marina"
	}
	return "marina --home " + e.home
}

// print writes v as JSON if asked to, else calls text.
func (e *env) print(v any, text func(w io.Writer)) error {
	if !e.json {
		text(e.out)
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}
