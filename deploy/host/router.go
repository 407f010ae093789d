package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
)

// Router keeps a home's router process running. It lives on when this process
// ends, so that a crash or an upgrade of the API cuts no connection of a cluster;
// the next process finds it again. It is replaced by one that takes its sockets
// over, so that an upgrade of the router cuts none either. The methods may be
// called from several processes at once.
type Router struct {
	Home    home.Home
	Program string // path of marina
	RouterSettings
	RenewAgain time.Duration // between attempts to replace a router when one failed; default a minute
	Log        *slog.Logger
}

const (
	// Until it serves. A hand-over gives up by itself before, which is better than
	// being killed in the midst of it: then nobody might serve for a moment.
	routerStart = 45 * time.Second
	routerPoll  = time.Second // how often to look which process serves

	// A router that ends earlier than this after its start is not started again at
	// once: it would end again.
	routerStable = 10 * time.Second
)

// Ensure returns the router that serves, after starting it if need be.
func (r Router) Ensure(ctx context.Context) (RouterProcess, error) {
	if p, ok, err := ServingRouter(r.Home); err != nil || ok {
		return p, err
	}
	return r.change(ctx, func(RouterProcess) bool { return false })
}

// Renew is Ensure, and replaces a router that is of another build than the
// program's or has other settings. A replacement that fails leaves the one that
// serves, and is logged; Keep tries it again.
func (r Router) Renew(ctx context.Context) (RouterProcess, error) {
	outdated, err := r.outdated()
	if err != nil {
		return RouterProcess{}, err
	}
	p, err := r.change(ctx, outdated)
	if err != nil && ctx.Err() == nil && p.Alive() {
		r.Log.ErrorContext(ctx, "router was not replaced and goes on", "pid", p.PID, "error", err)
		return p, nil
	}
	return p, err
}

// outdated returns what tells whether a router is of another build than the
// program's or has other settings.
func (r Router) outdated() (func(RouterProcess) bool, error) {
	want, err := buildOf(r.Program)
	if err != nil {
		return nil, err
	}
	return func(p RouterProcess) bool {
		has, err := p.Build()
		return err != nil || has != want || p.RouterSettings != r.RouterSettings
	}, nil
}

// Replace starts a new router, which takes the sockets of the one that serves. The
// old one ends with its last connection. An error means that the old one, if there
// was one, serves on.
func (r Router) Replace(ctx context.Context) (RouterProcess, error) {
	return r.change(ctx, func(RouterProcess) bool { return true })
}

// change starts a router if none serves or if the one that does is to be replaced.
// With an error it returns the one that was to be replaced.
func (r Router) change(ctx context.Context, replace func(RouterProcess) bool) (RouterProcess, error) {
	release, err := lockWhenFree(ctx, filepath.Join(routersDir(r.Home), "change"))
	if err != nil {
		return RouterProcess{}, err
	}
	defer release()
	old, runs, err := ServingRouter(r.Home)
	if err != nil || runs && !replace(old) {
		return old, err
	}
	p, err := r.start(ctx)
	if err != nil {
		return old, err
	}
	if runs {
		r.Log.InfoContext(ctx, "router was replaced", "pid", old.PID, "by", p.PID)
	}
	return p, r.endOldest(ctx)
}

// start starts a router and returns when it serves.
func (r Router) start(ctx context.Context) (RouterProcess, error) {
	held, err := holdRouters(r.Home)
	if err != nil {
		return RouterProcess{}, err
	}
	defer held.Close() // the router holds it on
	logFile := r.Home.Path("log", "router.log")
	cmd, err := spawn(logFile, []*os.File{held}, r.Program, "router", "--home", r.Home.Dir, "--listen", r.Listen, "--domain", r.Domain, "--trusted-proxies", r.TrustedProxies)
	if err != nil {
		return RouterProcess{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.NewTimer(routerStart)
	defer deadline.Stop()
	for {
		p, ok, err := ServingRouter(r.Home)
		if err != nil || ok && p.PID == cmd.Process.Pid {
			return p, err
		}
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("exit status 0")
			}
			return RouterProcess{}, fmt.Errorf("the router on %s ended at once (%w): see %s", r.Listen, err, logFile)
		case <-ctx.Done():
			return RouterProcess{}, context.Cause(ctx)
		case <-deadline.C:
			_ = cmd.Process.Kill() // the next attempt needs its port
			return RouterProcess{}, fmt.Errorf("the router on %s does not serve after %s: see %s", r.Listen, routerStart, logFile)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// endOldest ends retired routers that are more than may be.
func (r Router) endOldest(ctx context.Context) error {
	all, err := Routers(r.Home)
	if err != nil {
		return err
	}
	for _, p := range tooMany(all) {
		r.Log.WarnContext(ctx, "router that was replaced long ago is ended, with the connections that it still has", "pid", p.PID, "since", p.Since)
		if err := Stop(ctx, p.Process, routerGrace); err != nil {
			return err
		}
	}
	return nil
}

// Keep starts the router again whenever it ends, until ctx does, and tries again
// what Renew failed to do. Which process it is may change meanwhile.
func (r Router) Keep(ctx context.Context) error {
	var renewing sync.WaitGroup
	defer renewing.Wait()
	renewing.Go(func() { r.renewAgain(ctx) })
	for {
		p, err := r.Ensure(ctx)
		var ended bool
		if err == nil {
			ended, err = r.follow(ctx, p)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.Log.ErrorContext(ctx, "router does not run, or cannot be watched", "error", err)
		case ended && time.Since(p.Since) > routerStable:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(routerPoll):
		}
	}
}

// renewAgain replaces an outdated router, however often that fails.
func (r Router) renewAgain(ctx context.Context) {
	for {
		outdated, err := r.outdated()
		if err != nil {
			r.Log.ErrorContext(ctx, "router is not compared with the program that it should run", "error", err)
			return
		}
		// Once it is as it should be, whoever replaces it by another one wants that.
		if p, runs, err := ServingRouter(r.Home); err == nil && runs && !outdated(p) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cmp.Or(r.RenewAgain, time.Minute)):
		}
		_, _ = r.Renew(ctx) // which tells of a failure
	}
}

// follow returns when the process p does not serve any more: ended says that this
// is because it has ended, else another one serves, or is about to.
func (r Router) follow(ctx context.Context, p RouterProcess) (ended bool, err error) {
	for {
		wait, cancel := context.WithTimeout(ctx, routerPoll)
		exit, err := p.Wait(wait)
		cancel()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		now, runs, _ := ServingRouter(r.Home) // an error is Ensure's to tell
		switch {
		case err == nil:
			if !runs {
				r.Log.ErrorContext(ctx, "router ended and is started again", "pid", p.PID, "exit", exit.String())
			}
			return !runs, nil
		case !errors.Is(err, context.DeadlineExceeded):
			return false, err
		case !runs || now.Init != p.Init:
			return false, nil
		}
	}
}

// Stop ends a process and waits until it is gone; after grace it is killed.
func Stop(ctx context.Context, p Process, grace time.Duration) error {
	if err := p.Signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", p.PID, err)
	}
	gentle, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if _, err := p.Wait(gentle); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	_, err := p.Wait(ctx)
	return err
}
