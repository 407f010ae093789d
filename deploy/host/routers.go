package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
)

// RouterFile is the file about the process of a home's router that serves.
func RouterFile(h home.Home) string { return filepath.Join(h.Run(), "router.json") }

// routersDir holds a file about each router process of a home: the one that serves
// and those that were replaced and wait for their connections to end.
func routersDir(h home.Home) string { return filepath.Join(h.Run(), "routers") }

// routersLock is locked, shared, for as long as any router process of the home
// lives: from before it starts, when nobody knows its number yet.
func routersLock(h home.Home) string { return filepath.Join(routersDir(h), "lock") }

// RouterSettings are what a router is started with.
type RouterSettings struct {
	Listen string `json:"listen"`
	Domain string `json:"domain"`
	// TrustedProxies are networks, separated by commas, of proxies in front of it.
	TrustedProxies string `json:"trusted_proxies,omitempty"`
}

// RouterProcess is a router process of a home.
type RouterProcess struct {
	Process
	RouterSettings
	Serving bool   `json:"serving"` // else it was replaced, or is about to serve
	Control string `json:"control"` // unix socket; see the router's Control
}

// Routers returns the router processes of a home that run, the oldest first.
func Routers(h home.Home) ([]RouterProcess, error) {
	entries, err := os.ReadDir(routersDir(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for routers: %w", err)
	}
	serves, ok, err := ServingRouter(h)
	if err != nil {
		return nil, err
	}
	var all []RouterProcess
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".json" {
			continue
		}
		p, runs, err := findRouter(filepath.Join(routersDir(h), e.Name()))
		if err != nil {
			return nil, err
		}
		if !runs {
			continue
		}
		if ok && p.Init == serves.Init {
			p = serves
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b RouterProcess) int { return cmp.Compare(a.Init.Start, b.Init.Start) })
	return all, nil
}

// ServingRouter returns the router that serves; ok is false when none does.
func ServingRouter(h home.Home) (p RouterProcess, ok bool, err error) {
	return findRouter(RouterFile(h))
}

// findRouter is Find for a file about a router.
func findRouter(file string) (p RouterProcess, ok bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("look for the router: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, false, fmt.Errorf("read %s: %w", file, err)
	}
	return p, p.Alive(), nil
}

// RouterRecord is how a router process lets itself be found. Its methods are for
// that process alone.
type RouterRecord struct {
	home home.Home
	self RouterProcess
	lock *os.File
}

// RecordRouter writes down the present process as a router of a home that does not
// serve yet. From here on Down finds it.
func RecordRouter(h home.Home, s RouterSettings) (*RouterRecord, error) {
	lock, err := holdRouters(h)
	if err != nil {
		return nil, err
	}
	self, err := runc.Find(os.Getpid())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find out about this process: %w", err), lock.Close())
	}
	r := &RouterRecord{home: h, lock: lock, self: RouterProcess{
		Process: Process{Init: self, Since: time.Now()}, RouterSettings: s,
		Control: filepath.Join(h.Router(), strconv.Itoa(self.PID)+".sock"),
	}}
	if err := write(r.file(), r.self); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return r, nil
}

// RetiredControl is where this process can be asked once it was replaced.
func (r *RouterRecord) RetiredControl() string { return r.self.Control }

func (r *RouterRecord) file() string {
	return filepath.Join(routersDir(r.home), strconv.Itoa(r.self.PID)+".json")
}

// Serves says that this is the router that serves, at an address.
func (r *RouterRecord) Serves(address string) error {
	now := r.self
	now.Address, now.Serving, now.Control = address, true, r.home.RouterControl()
	return write(RouterFile(r.home), now)
}

// Retired says that this router serves no longer.
func (r *RouterRecord) Retired() error {
	p, _, err := ServingRouter(r.home)
	if err != nil || p.Init != r.self.Init {
		return err
	}
	if err := os.Remove(RouterFile(r.home)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record that the router serves no longer: %w", err)
	}
	return nil
}

// Ended takes the record of a router that is about to end away.
func (r *RouterRecord) Ended() error {
	err := r.Retired()
	if gone := os.Remove(r.file()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return errors.Join(err, r.lock.Close())
}

// holdRouters returns a file that, while any process has it open, says that a
// router of the home lives.
func holdRouters(h home.Home) (*os.File, error) {
	if err := os.MkdirAll(routersDir(h), 0o711); err != nil {
		return nil, fmt.Errorf("make directory of routers: %w", err)
	}
	f, err := os.OpenFile(routersLock(h), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the routers' lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s, is Marina just going down? %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// stopRouters ends every router process of a home, also one that was only just
// started and is not recorded yet, and returns how many there were. Nobody may
// start more of them meanwhile.
func stopRouters(ctx context.Context, h home.Home) (int, error) {
	if _, err := os.Stat(routersDir(h)); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	limit, cancel := context.WithTimeoutCause(ctx, routerStart+routerGrace,
		fmt.Errorf("a router of %s does not end: look for a process `marina router --home %s` and kill it", h.Dir, h.Dir))
	defer cancel()
	for n := 0; ; {
		running, err := Routers(h)
		if err != nil {
			return n, err
		}
		for _, p := range running {
			n++
			if err := Stop(limit, p.Process, routerGrace); err != nil {
				return n, err
			}
		}
		release, err := Lock(routersLock(h))
		if err == nil {
			release()
			return n, nil
		}
		if !errors.Is(err, ErrLocked) {
			return n, err
		}
		select {
		case <-limit.Done():
			return n, context.Cause(limit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// maxRetired is how many routers that were replaced may wait for their connections
// to end: each may carry as many as the one that serves.
const maxRetired = 4

// tooMany returns those retired routers, the oldest first, that have to go.
func tooMany(all []RouterProcess) []RouterProcess {
	var retired []RouterProcess
	for _, p := range all {
		if !p.Serving {
			retired = append(retired, p)
		}
	}
	return retired[:max(0, len(retired)-maxRetired)]
}
