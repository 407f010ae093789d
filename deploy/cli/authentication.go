package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

func (e *env) clustersAuthentication() *cobra.Command {
	c := group(&cobra.Command{Use: "authentication", Aliases: []string{"authn"}, Short: "Show and say whose tokens (OpenID Connect) a cluster takes"})
	c.AddCommand(e.authenticationGet(), e.authenticationSet(), e.authenticationRemove(), e.authenticationRevoke())
	return c
}

func (e *env) authenticationGet() *cobra.Command {
	return &cobra.Command{
		Use: "get CLUSTER", Short: "Show whose tokens a cluster takes, as a file for set", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			a, err := api.Authentication(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			text, err := yaml.JSONToYAML(a)
			if err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			return e.print(json.RawMessage(a), func(w io.Writer) { _, _ = w.Write(text) })
		},
	}
}

func (e *env) authenticationSet() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "set CLUSTER --file FILE", Short: "Say whose tokens a cluster takes",
		Long: "Say whose tokens a cluster takes, in a file of Kubernetes' own kind\n" +
			"AuthenticationConfiguration (apiserver.config.k8s.io/v1), of which jwt is yours to choose.\n" +
			"The API server follows within seconds, without a restart.",
		Example: "  marina clusters authentication get demo > authentication.yaml\n  marina clusters authentication set demo -f authentication.yaml",
		Args:    takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			document, issuers, err := readAuthentication(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			a, err := api.SetAuthentication(cmd.Context(), k.ID, document)
			if err != nil {
				return err
			}
			return e.print(json.RawMessage(a), func(w io.Writer) {
				fmt.Fprintf(w, "Cluster %s takes the tokens of %s.\nNext: %s clusters get %s says in IssuersReachable whether they can be asked for their keys.\n",
					k.Name, count(issuers, "issuer"), e.marina(), k.Name)
			})
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "`file` in YAML or JSON; - reads standard input")
	_ = c.MarkFlagRequired("file") // the flag exists
	return c
}

// readAuthentication reads a document from a file, or from in, and how many issuers it
// names. What is wrong inside is for the API to say.
func readAuthentication(in io.Reader, file string) (document json.RawMessage, issuers int, err error) {
	var text []byte
	if file == "-" {
		text, err = io.ReadAll(in)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the authentication: %w", err)
	}
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, 0, fmt.Errorf("%s is not YAML: %w", file, err)
	}
	var looked struct {
		JWT *[]json.RawMessage `json:"jwt"`
	}
	if err := json.Unmarshal(data, &looked); err != nil || looked.JWT == nil {
		return nil, 0, errors.New(file + " has no list jwt: it has to be an AuthenticationConfiguration, see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration")
	}
	return data, len(*looked.JWT), nil
}

func (e *env) authenticationRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove CLUSTER", Aliases: []string{"rm", "delete"}, Short: "Take no tokens of others' issuers any more", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			if err := api.RemoveAuthentication(cmd.Context(), k.ID); err != nil {
				return err
			}
			return e.print(map[string]string{"cluster": k.ID}, func(w io.Writer) {
				fmt.Fprintf(w, "Cluster %s takes no tokens of others' issuers any more.\n", k.Name)
			})
		},
	}
}

func (e *env) authenticationRevoke() *cobra.Command {
	var life time.Duration
	c := &cobra.Command{
		Use: "revoke CLUSTER TOKEN-ID", Short: "Take a token no more, at once, and end what is open with it",
		Long: "Take a token of an issuer or of a service account no more, at once, and end what is open with it.\n" +
			"TOKEN-ID is the token's claim jti; the cluster's audit log has it as JTI=... in\n" +
			"authentication.kubernetes.io/credential-id.",
		Args: takes("CLUSTER", "TOKEN-ID"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			id := strings.TrimPrefix(args[1], "JTI=")
			if err := api.RevokeToken(cmd.Context(), k.ID, id, life); err != nil {
				return err
			}
			return e.print(map[string]string{"cluster": k.ID, "revoked": id}, func(w io.Writer) {
				fmt.Fprintf(w, "Cluster %s takes the token %s no more.\n", k.Name, id)
			})
		},
	}
	c.Flags().DurationVar(&life, "for", 0, "`how long` the token would be good at most, such as 24h (default: 31 days)")
	return c
}
