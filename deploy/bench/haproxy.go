package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// haproxy is a HAProxy that does what the router does, as far as it can.
type haproxy struct {
	address string
	stop    func()
}

// startHAProxy starts HAProxy in a directory, with the unix socket for each name.
func startHAProxy(ctx context.Context, dir string, sockets map[string]string) (*haproxy, error) {
	program, err := haproxyProgram(ctx)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(haproxyConfig(sockets)), 0o600); err != nil {
		return nil, fmt.Errorf("configure HAProxy: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // HAProxy inherits it
	if err != nil {
		return nil, fmt.Errorf("listen for HAProxy: %w", err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("listen for HAProxy: %w", err)
	}
	defer socket.Close()
	cmd := exec.CommandContext(ctx, program, "-db", "-f", file)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &said, &said, []*os.File{socket} // file 3
	// In a session of its own, as the router is: the kernel shares the CPUs out among
	// sessions (autogroup, sched(7)), and the client would take of HAProxy's part.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start HAProxy: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended: // at once, if it does not like what it is told
		return nil, fmt.Errorf("HAProxy ended (%w): %s", err, said.Bytes())
	case <-time.After(time.Second):
	}
	return &haproxy{address: ln.Addr().String(), stop: func() {
		_ = cmd.Process.Kill() // fails if it has ended
		<-ended
	}}, nil
}

// haproxyConfig is what HAProxy's own documentation recommends for passing TLS
// through by name, with splice(2) as the router has it.
func haproxyConfig(sockets map[string]string) string {
	var front, back strings.Builder
	for n, name := range slices.Sorted(maps.Keys(sockets)) {
		fmt.Fprintf(&front, "  use_backend b%d if { req.ssl_sni -i %s }\n", n, name)
		fmt.Fprintf(&back, "backend b%d\n  server s unix@%s send-proxy-v2\n", n, sockets[name])
	}
	return `defaults
  mode tcp
  option splice-auto
  timeout connect 10s
  timeout client 1h
  timeout server 1h
frontend public
  bind fd@3
  tcp-request inspect-delay 10s
  tcp-request content accept if { req.ssl_hello_type 1 }
` + front.String() + back.String()
}

// haproxyProgram finds HAProxy, and installs Debian's if it is missing.
func haproxyProgram(ctx context.Context) (string, error) {
	const pkg = "haproxy"
	program, err := exec.LookPath(pkg)
	if err == nil {
		return program, nil
	}
	command := []string{"apt-get", "install", "--yes", "--no-install-recommends", pkg}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("HAProxy is missing: install it with `sudo %s`", strings.Join(command, " "))
	}
	for _, args := range [][]string{{"apt-get", "update"}, command} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.Join(fmt.Errorf("install HAProxy with `%s`: %w", strings.Join(args, " "), err), errors.New(string(out)))
		}
	}
	return exec.LookPath(pkg)
}
