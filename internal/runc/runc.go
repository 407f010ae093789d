// Package runc runs containers with the runc command line program, without a
// daemon and without a shim process per container.
//
// What it starts outlives the program that started it: the container's first
// process (package runc calls it init) belongs to nobody, its output goes to a
// file that it holds open itself, and its end is seen through a pidfd. Whoever
// comes later finds it again by its identifier, or by the Init that was kept.
//
// Everything is safe to repeat. A program that is killed between any two steps
// leaves at most a half-made container, which the next Run of the same
// identifier clears away.
package runc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ErrNotFound says that there is no such container.
var ErrNotFound = errors.New("no such container")

// killTime bounds how long a process may take to vanish after SIGKILL. It takes
// longer only when the kernel is stuck, in a disk that does not answer for one.
const killTime = 10 * time.Second

// Runc is a runc executable and the directory where it keeps its state. It is a
// value; concurrent use is safe for different containers.
type Runc struct {
	Binary string // path of runc
	Root   string // directory of its state; on a tmpfs, so that a reboot empties it as it ends the containers
}

// Status is where a container stands in its life, in the words of the OCI
// runtime specification.
type Status string

// The statuses of a container.
const (
	Creating Status = "creating"
	Created  Status = "created" // made, its program not started
	Running  Status = "running"
	Paused   Status = "paused"  // frozen
	Stopped  Status = "stopped" // its program has ended
)

// State is what runc knows about a container.
type State struct {
	ID          string            `json:"id"`
	Status      Status            `json:"status"`
	PID         int               `json:"pid"` // of its init, as the host sees it; 0 when it is stopped
	Bundle      string            `json:"bundle"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations"`
}

// Run makes and starts the container id from spec and returns its init. The
// bundle is a directory that exists; a relative spec.Root.Path is looked up in
// it. Output becomes the container's standard output and error (see OpenLog);
// nil discards them. The caller may close it afterwards. An init that ended at
// once is no error: it was started, and is not alive.
//
// A container of the same identifier that is not running is deleted first,
// together with a cgroup that was left behind; one that runs is an error.
func (r Runc) Run(ctx context.Context, id, bundle string, spec *specs.Spec, output *os.File) (Init, error) {
	return r.run(ctx, id, bundle, spec, output)
}

func (r Runc) run(ctx context.Context, id, bundle string, spec *specs.Spec, output *os.File, flags ...string) (Init, error) {
	if err := r.clear(ctx, id, spec); err != nil {
		return Init{}, err
	}
	if err := os.MkdirAll(r.Root, 0o700); err != nil {
		return Init{}, fmt.Errorf("make the state directory of runc: %w", err)
	}
	config, err := json.Marshal(spec)
	if err != nil {
		return Init{}, fmt.Errorf("encode the configuration of container %s: %w", id, err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600); err != nil {
		return Init{}, fmt.Errorf("write the configuration of container %s: %w", id, err)
	}
	pidFile := filepath.Join(bundle, "pid")
	// runc writes beside it first, and gives up where an earlier one was killed at that.
	if err := os.Remove(filepath.Join(bundle, ".pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Init{}, fmt.Errorf("remove what is left of a start of container %s: %w", id, err)
	}
	args := append([]string{"run", "--detach", "--bundle", bundle, "--pid-file", pidFile}, flags...)
	if err := r.command(ctx, output, append(args, id)...); err != nil {
		return Init{}, fmt.Errorf("start container %s: %w", id, err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return Init{}, fmt.Errorf("read the process of container %s: %w", id, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return Init{}, fmt.Errorf("read the process of container %s: %w", id, err)
	}
	init, err := Find(pid)
	if errors.Is(err, ErrNotFound) {
		return Init{PID: pid}, nil // no process started at tick 0: it is never alive
	}
	return init, err
}

// clear makes room for a container: nothing of an earlier one is left.
func (r Runc) clear(ctx context.Context, id string, spec *specs.Spec) error {
	s, err := r.State(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil && (s.Status == Running || s.Status == Paused) {
		return fmt.Errorf("start container %s: it is %s already", id, s.Status)
	}
	if err := r.Delete(ctx, id, true); err != nil {
		return err
	}
	if spec.Linux == nil || spec.Linux.CgroupsPath == "" {
		return nil
	}
	return RemoveCgroup(ctx, spec.Linux.CgroupsPath)
}

// State returns what runc knows about a container, or ErrNotFound. One that was
// only half made counts as stopped.
func (r Runc) State(ctx context.Context, id string) (State, error) {
	if known, err := r.known(id); err != nil || !known {
		return State{}, errors.Join(err, notFound(id, known))
	}
	out, err := r.query(ctx, "state", id)
	if err != nil {
		if _, missing := os.Stat(filepath.Join(r.Root, id, "state.json")); missing != nil {
			return State{ID: id, Status: Stopped}, nil // an aborted start left the bare directory
		}
		return State{}, fmt.Errorf("look at container %s: %w", id, err)
	}
	var s State
	if err := json.Unmarshal(out, &s); err != nil {
		return State{}, fmt.Errorf("look at container %s: runc's answer: %w", id, err)
	}
	return s, nil
}

// List returns the identifiers of all containers below r.Root, half-made ones
// included, sorted.
func (r Runc) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(r.Root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Init returns the first process of a running container, or ErrNotFound.
func (r Runc) Init(ctx context.Context, id string) (Init, error) {
	s, err := r.State(ctx, id)
	if err != nil {
		return Init{}, err
	}
	if s.PID == 0 || (s.Status != Running && s.Status != Paused) {
		return Init{}, fmt.Errorf("container %s is %s: %w", id, s.Status, ErrNotFound)
	}
	return Find(s.PID)
}

// Kill sends a signal to the first process of a container. It is no error that
// there is none.
func (r Runc) Kill(ctx context.Context, id string, sig unix.Signal) error {
	init, err := r.Init(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return init.Signal(sig)
}

// Delete removes a container and its cgroup. It is no error that there is none;
// one that runs is an error without force and killed with it.
func (r Runc) Delete(ctx context.Context, id string, force bool) error {
	if known, err := r.known(id); err != nil || !known {
		return err
	}
	args := []string{"delete", id}
	if force {
		// runc itself looks only every 100 ms whether a killed process is gone.
		if err := r.killAndWait(ctx, id); err != nil {
			return err
		}
		args = []string{"delete", "--force", id}
	}
	// Without force runc reports a half-made container as an error although it
	// removes it.
	if err := r.command(ctx, nil, args...); err != nil {
		if known, look := r.known(id); look == nil && !known {
			return nil
		}
		return fmt.Errorf("delete container %s: %w", id, err)
	}
	return nil
}

func (r Runc) killAndWait(ctx context.Context, id string) error {
	init, err := r.Init(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := init.Signal(unix.SIGKILL); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	if _, err := init.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the end of container %s: %w", id, err)
	}
	return nil
}

// known reports whether runc has a directory for the container, which saves a
// process where there is nothing to ask about.
func (r Runc) known(id string) (bool, error) {
	if id == "" || id != filepath.Base(id) {
		return false, fmt.Errorf("container identifier %q is no plain name", id)
	}
	_, err := os.Stat(filepath.Join(r.Root, id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for container %s: %w", id, err)
	}
	return true, nil
}

func notFound(id string, known bool) error {
	if known {
		return nil
	}
	return fmt.Errorf("container %s: %w", id, ErrNotFound)
}

// command runs runc for its effect. What it starts inherits output, so runc's
// own complaints come through a file, in memory: one with a name would be left
// over when this process dies.
func (r Runc) command(ctx context.Context, output *os.File, args ...string) error {
	fd, err := unix.MemfdCreate("runc.log", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a log for runc: %w", os.NewSyscallError("memfd_create", err))
	}
	complaints := os.NewFile(uintptr(fd), "runc.log")
	defer complaints.Close()

	log := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd) // which runc opens anew, and does not inherit
	cmd := r.cmd(ctx, append([]string{"--log", log, "--log-format", "json"}, args...)...)
	if output != nil { // a nil *os.File in the interface would not be nil
		cmd.Stdout, cmd.Stderr = output, output
	}
	if err := cmd.Run(); err != nil {
		return explain(err, complaints)
	}
	return nil
}

// query runs runc for its answer.
func (r Runc) query(ctx context.Context, args ...string) ([]byte, error) {
	var out, complaints bytes.Buffer
	cmd := r.cmd(ctx, append([]string{"--log-format", "json"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, explain(err, &complaints)
	}
	return out.Bytes(), nil
}

func (r Runc) cmd(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.Binary, append([]string{"--root", r.Root}, args...)...)
	// Nothing of this program's environment may reach a container's init.
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return cmd
}

// explain adds the last error that runc logged, one JSON object a line.
func explain(err error, log io.Reader) error {
	said := ""
	for dec := json.NewDecoder(log); ; {
		var line struct{ Level, Msg string }
		if dec.Decode(&line) != nil {
			break
		}
		if line.Level == "error" || line.Level == "fatal" {
			said = line.Msg
		}
	}
	if said == "" {
		return fmt.Errorf("runc: %w", err)
	}
	return fmt.Errorf("runc: %s (%w)", said, err)
}
