package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/backup"
	"github.com/marina-cloud/marina/deploy/client"
)

// usageError says that a command was not understood.
type usageError struct {
	command *cobra.Command
	message string
}

func (u *usageError) Error() string { return u.message }

// exitStatus ends the process with a status of its own, without another word.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

var (
	errNotLoggedIn = errors.New("you are not logged in")
	errNotRoot     = errors.New("this needs root: it makes containers, cgroups and network namespaces; try it with sudo")
)

// status says what went wrong and what to try next, and returns the exit status.
func (e *env) status(err error) int {
	if err == nil {
		return 0
	}
	if silent, ok := errors.AsType[exitStatus](err); ok {
		return int(silent)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(e.errs, "Interrupted.")
		return 130
	}
	fmt.Fprintf(e.errs, "Error: %v\n", err)
	if usage, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(e.errs, "Try `%s --help`.\n", usage.command.CommandPath())
		return 2
	}
	if hint := e.hint(err); hint != "" {
		fmt.Fprintln(e.errs, hint)
	}
	return 1
}

// hint is the next command to try after an error.
func (e *env) hint(err error) string {
	if _, ok := errors.AsType[*client.Unreachable](err); ok {
		return "On its machine `" + e.marina() + " status` says whether it runs, and `" + e.marina() + " up` starts it; --server names another one."
	}
	if _, ok := errors.AsType[*backup.IncompleteError](err); ok {
		return "Look for another backup, or bring those clusters back empty, with their endpoints and credentials: --incomplete"
	}
	switch p, _ := errors.AsType[*client.Problem](err); {
	case errors.Is(err, backup.ErrNoRecipient):
		return "Make a key with `" + e.marina() + " backup keygen FILE`, or name one with --recipient or --recipients-file."
	case errors.Is(err, errNotLoggedIn), p != nil && p.Status == 401 && p.Code != "bad_credentials" && p.Code != "bad_code":
		return "Try `" + e.marina() + " login`, or `" + e.marina() + " signup` for a new account."
	case p != nil && p.Code == "email_taken":
		return "Try `" + e.marina() + " login`."
	case p != nil && p.Code == "cluster_not_running":
		return "Try `" + e.marina() + " clusters get CLUSTER --wait`."
	}
	return ""
}
