package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func (r runner) command(dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOTOOLCHAIN=local"), env...)
	// Tests clean up after an interrupt, and get time for it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// output runs a command and returns its standard output, or an error that holds
// what it said on standard error.
func (r runner) output(name string, args ...string) (string, error) {
	cmd := r.command(".", nil, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, stderr.Bytes())
	}
	return string(out), nil
}

// check runs a command that counts as one test, and reports whether it passed. Its
// output goes straight to the person who waits.
func (r runner) check(title, dir string, env []string, name string, args ...string) bool {
	if r.ctx.Err() != nil {
		return false
	}
	r.tally.section(title)
	cmd := r.command(dir, env, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		r.tally.fail(title, err.Error())
		return false
	}
	r.tally.pass(title)
	return true
}

// goTest runs `go test` and counts every test and subtest.
func (r runner) goTest(dir string, env []string, args ...string) {
	if r.ctx.Err() != nil {
		return
	}
	title := "go test"
	if dir != "." {
		title += " in " + dir
	}
	r.tally.section(title)
	cmd := r.command(dir, env, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		r.tally.fail(title, err.Error())
		return
	}
	if err := cmd.Start(); err != nil {
		r.tally.fail(title, err.Error())
		return
	}
	before := r.tally.failed
	r.events(stdout)
	r.tally.unfinished()
	if err := cmd.Wait(); err != nil && r.tally.failed == before {
		r.tally.fail(title, err.Error())
	}
}

// events feeds the lines of `go test -json` to the tally.
func (r runner) events(stdout io.Reader) {
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil {
				r.tally.add(e)
			} else {
				r.tally.print(line)
			}
		}
		if err != nil {
			return
		}
	}
}
