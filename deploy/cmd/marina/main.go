// Command marina hosts Kubernetes clusters and is the tool to use them with.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/marina-cloud/marina/deploy/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
