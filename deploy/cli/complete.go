package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

// A shell that completes a word has no place for an error, and a person who
// pressed a key does not wait: no answer is no suggestion.
const completionLimit = 3 * time.Second

func (e *env) completeClusters(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return e.completeFirst(cmd, args, func(ctx context.Context, api *client.Client) (found []cobra.Completion) {
		clusters, _ := api.Clusters(ctx)
		for _, k := range clusters {
			found = append(found, cobra.CompletionWithDesc(k.Name, k.Phase))
		}
		return found
	})
}

func (e *env) completeDeleted(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return e.completeFirst(cmd, args, func(ctx context.Context, api *client.Client) (found []cobra.Completion) {
		clusters, _ := api.DeletedClusters(ctx)
		for _, k := range clusters {
			found = append(found, cobra.CompletionWithDesc(k.Name, k.ID))
		}
		return found
	})
}

// completeFirst completes a command's first argument with what list finds.
func (e *env) completeFirst(cmd *cobra.Command, args []string, list func(context.Context, *client.Client) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	return suggest(cmd, func(ctx context.Context) []cobra.Completion {
		if len(args) > 0 {
			return nil
		}
		api, err := e.client()
		if err != nil {
			return nil
		}
		return list(ctx, api)
	})
}

// completePools completes a cluster's name, then a pool's.
func (e *env) completePools(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return e.completeClusters(cmd, args, toComplete)
	}
	return suggest(cmd, func(ctx context.Context) (found []cobra.Completion) {
		if len(args) > 1 {
			return nil
		}
		api, err := e.client()
		if err != nil {
			return nil
		}
		k, err := api.FindCluster(ctx, args[0])
		if err != nil {
			return nil
		}
		pools, _ := api.Pools(ctx, k.ID)
		for _, p := range pools {
			found = append(found, cobra.CompletionWithDesc(p.Name, p.Phase))
		}
		return found
	})
}

func (e *env) completeVersions(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return suggest(cmd, func(ctx context.Context) (found []cobra.Completion) {
		api, err := e.anonymous()
		if err != nil {
			return nil
		}
		options, _ := api.Options(ctx)
		for _, v := range options.Versions {
			found = append(found, cobra.CompletionWithDesc(v.Minor, v.Full))
		}
		return found
	})
}

func (e *env) completeSizes(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return suggest(cmd, func(ctx context.Context) (found []cobra.Completion) {
		api, err := e.anonymous()
		if err != nil {
			return nil
		}
		options, _ := api.Options(ctx)
		for _, s := range options.Sizes {
			found = append(found, s.Name)
		}
		return found
	})
}

// suggest looks for completions; the shell picks those that fit.
func suggest(cmd *cobra.Command, look func(context.Context) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit)
	defer cancel()
	return look(ctx), cobra.ShellCompDirectiveNoFileComp
}
