package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// parseFlags sets a component's options from its part of the configuration.
func parseFlags(component string, sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet(component, pflag.ContinueOnError)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	err := all.Parse(args)
	if err == nil && all.NArg() > 0 {
		err = fmt.Errorf("%q is not a flag", all.Arg(0))
	}
	if errors.Is(err, pflag.ErrHelp) {
		err = errors.New("--help is not for a configuration file")
	}
	if err != nil {
		return fmt.Errorf("flags of %s: %w", component, err)
	}
	return nil
}
