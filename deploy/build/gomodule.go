package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// goModule is a module that lies in Go's module cache.
type goModule struct{ Path, Version, Dir string }

// modules returns the modules called paths in the versions that the module in dir
// pins. It downloads those that are missing.
func modules(ctx context.Context, dir string, paths ...string) (map[string]goModule, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"mod", "download", "-json"}, paths...)...)
	cmd.Dir, cmd.Env = dir, goProgram{}.goEnv()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("download the modules %s: %w\n%s", strings.Join(paths, ", "), describeExit(err), bytes.TrimSpace(out))
	}
	found := map[string]goModule{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var m goModule
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go mod download says: %w", err)
		}
		found[m.Path] = m
	}
}
