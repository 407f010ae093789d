package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/initd"
)

var errUsage = errors.New("usage: marina-agent run --ticket FILE --state DIR")

// Main is the program marina-agent with the arguments args (os.Args). As process
// 1 it does what that process has to do and runs the agent as a child.
func Main(args []string) error {
	if len(args) < 2 || args[1] != "run" {
		return errUsage
	}
	flags := flag.NewFlagSet("marina-agent run", flag.ContinueOnError)
	ticket := flags.String("ticket", "/run/marina/join/ticket.json", "`file` of the join ticket; removed after use")
	state := flags.String("state", "/var/lib/marina-agent", "`directory` of identity and credentials")
	if err := flags.Parse(args[2:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return errUsage // flags has said what is wrong
	}
	if flags.NArg() > 0 {
		return errUsage
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if os.Getpid() == 1 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the agent's own program: %w", err)
		}
		return initd.Run(log, append([]string{self}, args[1:]...))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return Run(ctx, Options{Ticket: *ticket, State: *state, Log: log})
}
