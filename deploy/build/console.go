package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/marina-cloud/marina/deploy/build/internal/cache"
)

const (
	consoleDir     = "web"
	consoleModules = "console-modules"
	// generatedSchema is what the typed client is made from; it is generated, and
	// copied into the tree for editors alone.
	generatedSchema = "src/api/schema.d.ts"
)

// consoleSources is what the console is made from, below web/, besides the packages
// that it uses.
var consoleSources = []string{"index.html", "package.json", "tsconfig.json", "vite.config.ts", ".oxlintrc.json", "src"}

// consoleArtifacts are the console, as one archive that marina embeds, and what it
// is made with.
func consoleArtifacts(root string, host host) []artifact {
	return []artifact{
		{
			name: consoleModules, hint: "about a minute the first time", links: map[string]string{consoleModules: "node_modules"},
			inputs: func(_ context.Context, k *cache.Key) error {
				k.Text("node", host.node)
				return hashConsole(root, k, "package-lock.json", ".npmrc")
			},
			make: func(ctx context.Context, out string, _ dirs, log io.Writer) error {
				if err := wantNode(host.node); err != nil {
					return err
				}
				if err := copyConsole(root, out, "package.json", "package-lock.json", ".npmrc"); err != nil {
					return err
				}
				return node(ctx, out, log, "npm", "ci")
			},
		},
		{
			name: "console", needs: []string{consoleModules},
			tree: map[string]string{"web/embedded/console.zip": "console.zip", "web/" + generatedSchema: "schema.d.ts"},
			inputs: func(ctx context.Context, k *cache.Key) error {
				document, err := openAPI(ctx, root)
				if err != nil {
					return err
				}
				k.Text("openapi", string(document))
				return hashConsole(root, k, consoleSources...)
			},
			make: func(ctx context.Context, out string, needs dirs, log io.Writer) error {
				return inWorkshop(ctx, root, out, needs, log, func(dir string) error {
					if err := node(ctx, dir, log, "node_modules/.bin/vite", "build"); err != nil {
						return err
					}
					if err := copyFile(filepath.Join(dir, generatedSchema), filepath.Join(out, "schema.d.ts")); err != nil {
						return err
					}
					return archive(filepath.Join(dir, "dist"), filepath.Join(out, "console.zip"))
				})
			},
		},
		{
			// What looks at the console's sources: types, lint and unit tests. It leaves
			// nothing but the fact that they passed, for these sources.
			name: "console-checks", needs: []string{"console", consoleModules}, tests: true,
			inputs: func(context.Context, *cache.Key) error { return nil },
			make: func(ctx context.Context, out string, needs dirs, log io.Writer) error {
				return inWorkshop(ctx, root, out, needs, log, func(dir string) error {
					return errors.Join(
						node(ctx, dir, log, "node_modules/.bin/tsc", "--noEmit"),
						node(ctx, dir, log, "node_modules/.bin/oxlint", "--deny-warnings", "src"),
						node(ctx, dir, log, "node_modules/.bin/vitest", "run"),
					)
				})
			},
		},
	}
}

// inWorkshop calls work with a directory that holds the console's sources, the
// packages that it uses, and the typed description of the API.
func inWorkshop(ctx context.Context, root, out string, needs dirs, log io.Writer, work func(dir string) error) error {
	dir, err := os.MkdirTemp(filepath.Dir(out), ".building-console-")
	if err != nil {
		return fmt.Errorf("make a place to build the console in: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := copyConsole(root, dir, consoleSources...); err != nil {
		return err
	}
	if err := os.Symlink(needs.under(consoleModules, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		return fmt.Errorf("link the console's packages: %w", err)
	}
	document, err := openAPI(ctx, root)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), document, 0o644); err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	if err := node(ctx, dir, log, "node_modules/.bin/openapi-typescript", "openapi.json", "--output", generatedSchema); err != nil {
		return err
	}
	return work(dir)
}

// openAPI returns the description of the REST API as this tree's gateway serves it.
func openAPI(ctx context.Context, root string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "run", "-trimpath", "-buildvcs=false", "./deploy/openapi")
	cmd.Dir, cmd.Env = root, goProgram{}.goEnv()
	document, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", describeExit(err))
	}
	return document, nil
}

// node runs a program of Node.js in dir.
func node(ctx context.Context, dir string, log io.Writer, name string, args ...string) error {
	path := name
	if strings.Contains(name, "/") {
		path = filepath.Join(dir, name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CI=1", "NO_COLOR=1")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}

// hashConsole adds files and folders of the console to the key.
func hashConsole(root string, k *cache.Key, names ...string) error {
	return walkConsole(root, names, func(name, path string) error { return k.File(name, path) })
}

// copyConsole copies files and folders of the console into dir.
func copyConsole(root, dir string, names ...string) error {
	return walkConsole(root, names, func(name, path string) error {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("copy the console's sources: %w", err)
		}
		return copyFile(path, to)
	})
}

func walkConsole(root string, names []string, each func(name, path string) error) error {
	dir := filepath.Join(root, consoleDir)
	for _, n := range names {
		err := filepath.WalkDir(filepath.Join(dir, n), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err != nil || name == generatedSchema {
				return err
			}
			return each(name, path)
		})
		if err != nil {
			return fmt.Errorf("read the console's sources: %w", err)
		}
	}
	return nil
}

// archive puts the files below dir into an archive.
func archive(dir, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("pack the console: %w", err)
	}
	z := zip.NewWriter(f)
	if err := errors.Join(z.AddFS(os.DirFS(dir)), z.Close(), f.Close()); err != nil {
		return fmt.Errorf("pack the console: %w", err)
	}
	return nil
}

// wantNode returns an error that says what to install when there is no Node.js that
// the console's tools run on.
func wantNode(version string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "v%d.%d", &major, &minor); n < 2 || major < 20 || major == 20 && minor < 19 {
		return fmt.Errorf("building the console takes Node.js 20.19 or newer with npm, and this is %q: install it from your distribution or from Node.js", version)
	}
	return nil
}
