// Command vaultdev is a HashiCorp Vault server for Marina's tests: nothing but the
// upstream command, built from the Go module proxy with the build tag minimal,
// without which it does not compile outside of its own repository.
//
// It is a module of its own and never shipped: Vault's licence since version 1.15
// is BUSL-1.1. The library by which Marina itself speaks to Vault
// (github.com/hashicorp/vault/api) is another module, under MPL-2.0. Do not run
// `go mod tidy` here: it walks the test dependencies of 360 modules.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
