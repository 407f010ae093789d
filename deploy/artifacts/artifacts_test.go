package artifacts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes files (a path that ends in / is a directory) below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFind(t *testing.T) {
	t.Parallel()
	const root, nested = "module " + module + "\n", "// nested\nmodule " + module + "/node-fleet/addons\n"
	for _, c := range []struct {
		why       string
		files     map[string]string
		exe, work string
		want      string // relative to the tree; empty: an error
		wantErr   string
	}{
		{
			why:   "an installed marina finds its files beside it, wherever it is started",
			files: map[string]string{"lib/node/": "", "lib/marina-etcd": "", "repo/go.mod": root, "repo/bin/node/": "", "repo/bin/marina-etcd": ""},
			exe:   "lib", work: "repo", want: "lib",
		},
		{
			why:   "a test's executable lies in a temporary directory and its working directory in the module",
			files: map[string]string{"tmp/": "", "repo/go.mod": root, "repo/a/b/": "", "repo/bin/node/": "", "repo/bin/marina-etcd": ""},
			exe:   "tmp", work: "repo/a/b", want: "repo/bin",
		},
		{
			why:   "a nested module has no bin of its own",
			files: map[string]string{"tmp/": "", "repo/go.mod": root, "repo/node-fleet/addons/go.mod": nested, "repo/bin/node/": "", "repo/bin/marina-etcd": ""},
			exe:   "tmp", work: "repo/node-fleet/addons", want: "repo/bin",
		},
		{
			why:   "a clone that was never built says what to do",
			files: map[string]string{"tmp/": "", "repo/go.mod": root},
			exe:   "tmp", work: "repo", wantErr: "run make build",
		},
		{
			why:   "half a build is none",
			files: map[string]string{"tmp/": "", "repo/go.mod": root, "repo/bin/marina-etcd": ""},
			exe:   "tmp", work: "repo", wantErr: "run make build",
		},
		{
			why:   "outside of the repository there is nothing to find",
			files: map[string]string{"tmp/": "", "elsewhere/": ""},
			exe:   "tmp", work: "elsewhere", wantErr: "run make build",
		},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, c.files)
			got, err := find(filepath.Join(dir, c.exe), filepath.Join(dir, c.work))
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("find: got %q, %v; want an error that says %q", got, err, c.wantErr)
				}
				return
			}
			if err != nil || got != filepath.Join(dir, c.want) {
				t.Fatalf("find: got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestResolveFollowsLinksAndNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"cache/hash/marina-etcd": "binary", "bin/": ""})
	if err := os.Symlink(filepath.Join(dir, "cache/hash/marina-etcd"), filepath.Join(dir, "bin/marina-etcd")); err != nil {
		t.Fatal(err)
	}
	got, err := resolve(filepath.Join(dir, "bin"), Etcd)
	if err != nil || got != filepath.Join(dir, "cache/hash/marina-etcd") {
		t.Errorf("resolve: got %q, %v", got, err)
	}
	_, err = resolve(filepath.Join(dir, "bin"), Kubernetes("1.37"))
	if err == nil || !strings.Contains(err.Error(), "marina-kubernetes-1.37") || !strings.Contains(err.Error(), "run make build") {
		t.Errorf("resolve of a missing file: got %v; want its name and the advice", err)
	}
}
