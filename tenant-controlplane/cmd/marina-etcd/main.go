// Command marina-etcd is the etcd of one tenant: upstream's server with one
// member that listens on a unix socket and nowhere else, not even for peers.
//
// It is a program of its own, and not part of the one that runs the API server,
// because etcd is the only part of a control plane that keeps anything: the rest
// can be stopped, replaced and started without touching it.
//
//	marina-etcd --data-dir DIR --client unix:///run/tenant/etcd.sock [--quota-bytes N] [--log-level LEVEL]
//	marina-etcd health --client unix:///run/tenant/etcd.sock [--timeout 5s]
//	marina-etcd snapshot --data-dir DIR --file FILE
//	marina-etcd check --file FILE
//	marina-etcd restore --file FILE --data-dir DIR
//
// It keeps its database in order by itself (upkeep.go): it compacts and defragments
// when that is worth it, and lowers the alarm when there is room again. How full it
// is, it tells at /marina/usage on the same socket.
//
// There is no TLS: whoever may open the socket may do everything. The socket
// is created with mode 0770, so that is this user and this group.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is the longest path of a unix socket, without the closing zero (unix(7)).
const maxSocketPath = 107

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "marina-etcd:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "health":
			return runHealth(ctx, args[1:])
		case "snapshot", "check", "restore":
			return runCopy(ctx, args[0], args[1:], os.Stdout)
		}
	}
	return runServer(ctx, args)
}

func runServer(ctx context.Context, args []string) error {
	var (
		c      config
		client string
		err    error
	)
	flags := flag.NewFlagSet("marina-etcd", flag.ContinueOnError)
	flags.StringVar(&c.dir, "data-dir", "", "absolute `directory` of the data")
	flags.StringVar(&client, "client", "", "`URL` of the socket for clients: unix:///absolute/path")
	flags.Int64Var(&c.quota, "quota-bytes", 0, "size at which the database refuses writes; 0 is etcd's own default, 2 GiB")
	flags.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	if err := parse(flags, args); err != nil {
		return err
	}
	if !filepath.IsAbs(c.dir) {
		return fmt.Errorf("--data-dir %q: want an absolute path", c.dir)
	}
	if c.quota < 0 {
		return fmt.Errorf("--quota-bytes %d: want zero or more", c.quota)
	}
	if c.client, err = socket("client", client); err != nil {
		return err
	}
	return serve(ctx, c)
}

func runHealth(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("marina-etcd health", flag.ContinueOnError)
	client := flags.String("client", "", "`URL` of the socket for clients: unix:///absolute/path")
	timeout := flags.Duration("timeout", 5*time.Second, "how long to wait for the answer")
	if err := parse(flags, args); err != nil {
		return err
	}
	u, err := socket("client", *client)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return health(ctx, u.Path)
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// socket parses the URL of a unix socket. etcd itself would also take
// unix://host:port, which it makes a file in the working directory.
func socket(flagName, value string) (url.URL, error) {
	u, err := url.Parse(value)
	if err != nil {
		return url.URL{}, fmt.Errorf("--%s: %w", flagName, err)
	}
	if u.Scheme != "unix" || u.Host != "" || !filepath.IsAbs(u.Path) {
		return url.URL{}, fmt.Errorf("--%s %q: want unix:///absolute/path", flagName, value)
	}
	if len(u.Path) > maxSocketPath {
		return url.URL{}, fmt.Errorf("--%s %q: the path is longer than %d bytes", flagName, value, maxSocketPath)
	}
	return *u, nil
}
