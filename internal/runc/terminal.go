package runc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// consoleTime bounds the start of a container with a terminal.
const consoleTime = 30 * time.Second

// RunTerminal is Run of a container whose spec asks for a terminal, and returns the
// terminal's other end: what is typed is written to it, what is shown is read from
// it. When that end is closed, as it is when this program dies, the container's
// programs are told so by SIGHUP.
func (r Runc) RunTerminal(ctx context.Context, id, bundle string, spec *specs.Spec) (_ Init, terminal *os.File, err error) {
	socket := filepath.Join(bundle, "console.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Init{}, nil, fmt.Errorf("remove an earlier console socket of container %s: %w", id, err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return Init{}, nil, fmt.Errorf("listen for the console of container %s: %w", id, err)
	}
	defer ln.Close() // removes the socket, too
	if err := ln.SetDeadline(time.Now().Add(consoleTime)); err != nil {
		return Init{}, nil, fmt.Errorf("listen for the console of container %s: %w", id, err)
	}
	type console struct {
		file *os.File
		err  error
	}
	got := make(chan console, 1)
	go func() {
		f, err := receiveConsole(ln)
		got <- console{f, err}
	}()
	init, err := r.run(ctx, id, bundle, spec, nil, "--console-socket", socket)
	if err != nil {
		ln.Close() //nolint:errcheck // nobody will send anything
	}
	c := <-got
	if err = errors.Join(err, c.err); err != nil {
		if c.file != nil {
			c.file.Close() //nolint:errcheck // nobody wrote to it
		}
		return Init{}, nil, fmt.Errorf("start container %s with a terminal: %w", id, err)
	}
	return init, c.file, nil
}

// receiveConsole takes the terminal that runc sends over its console socket
// (docs/terminals.md of runc).
func receiveConsole(ln *net.UnixListener) (*os.File, error) {
	conn, err := ln.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("wait for the console: %w", err)
	}
	defer conn.Close()
	name, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil {
		return nil, fmt.Errorf("receive the console: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errors.New("runc sent no console"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.Join(errors.New("runc sent no console"), err)
	}
	unix.CloseOnExec(fds[0])
	// Non-blocking, so that the file joins Go's poller and closing it ends a read.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0]) //nolint:errcheck // it was just received
		return nil, fmt.Errorf("receive the console: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "console"), nil
}
