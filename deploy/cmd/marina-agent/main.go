// Command marina-agent makes a machine a node of a cluster; see package agent.
//
//	marina-agent run --ticket FILE --state DIR
//
// As process 1 it is the machine's init as well.
package main

import (
	"fmt"
	"os"

	"github.com/marina-cloud/marina/node-fleet/agent"
)

func main() {
	if err := agent.Main(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "marina-agent:", err)
		os.Exit(1)
	}
}
