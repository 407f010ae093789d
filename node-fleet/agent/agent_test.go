package agent

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDependencies keeps the agent small: it runs on every node, and everything
// in it has to be trusted there.
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const here = "github.com/marina-cloud/marina/"
	allowed := []string{
		here + "node-fleet/agent", here + "node-fleet/agent/internal/", here + "node-fleet/join", here + "internal/tenant",
		"github.com/oklog/ulid/v2", "github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/sys/unix",
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if !slices.ContainsFunc(allowed, func(a string) bool {
			return dep == a || strings.HasPrefix(dep, strings.TrimSuffix(a, "/")+"/")
		}) {
			t.Errorf("the agent depends on %s", dep)
		}
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	text := []byte("MemFree:  1 kB\nMemTotal:       24684084 kB\nCapEff:\t000001fffeffffff\nEmpty:\n")
	if got, err := field(text, "MemTotal:", 10); err != nil || got != 24684084 {
		t.Errorf("MemTotal = %d, %v", got, err)
	}
	if got, err := field(text, "CapEff:", 16); err != nil || got != 0x1fffeffffff {
		t.Errorf("CapEff = %x, %v", got, err)
	}
	for _, name := range []string{"Swap:", "Empty:"} {
		if got, err := field(text, name, 10); err == nil {
			t.Errorf("%s = %d, want an error", name, got)
		}
	}
}

func TestRank(t *testing.T) {
	t.Parallel()
	archives := []string{"/i/zebra.tar", "/i/metrics-server.tar", "/i/agnhost.tar", "/i/coredns.tar", "/i/pause.tar"}
	slices.SortFunc(archives, byNeed)
	want := []string{"/i/pause.tar", "/i/coredns.tar", "/i/metrics-server.tar", "/i/agnhost.tar", "/i/zebra.tar"}
	if !slices.Equal(archives, want) {
		t.Errorf("order = %q, want %q", archives, want)
	}
}

func TestLoadedIsRemembered(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "images.json")
	if got := readLoaded(path); len(got) != 0 {
		t.Errorf("nothing was loaded, and yet %v", got)
	}
	if err := writeLoaded(path, map[string]string{"pause.tar": "abc"}); err != nil {
		t.Fatal(err)
	}
	if got := readLoaded(path); got["pause.tar"] != "abc" {
		t.Errorf("remembered %v", got)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readLoaded(path); len(got) != 0 {
		t.Errorf("from a spoiled file: %v", got)
	}
}

// TestMakeRoomForPods uses a directory in the place of cgroup v2's file system:
// what matters is which files are written, and when none is.
func TestMakeRoomForPods(t *testing.T) {
	t.Parallel()
	group := func(files map[string]string) string {
		t.Helper()
		dir := t.TempDir()
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, c := range []struct {
		why   string
		files map[string]string
		moved bool
	}{
		{"cgroup v1 has no such rule", map[string]string{"cgroup.procs": "1\n2\n"}, false},
		{"the root of the system is exempt, and not ours to change", map[string]string{"cgroup.controllers": "cpu", "cgroup.procs": "1\n2\n", "cgroup.subtree_control": ""}, false},
		{"the root of a machine that is a container", map[string]string{"cgroup.controllers": "memory", "cgroup.type": "domain", "cgroup.procs": "7\n", "cgroup.subtree_control": ""}, true},
	} {
		root := group(c.files)
		if c.moved { // the kernel makes the files of a new group; a directory does not
			if err := os.Mkdir(filepath.Join(root, "marina"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "marina", "cgroup.procs"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := makeRoomForPods(root); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		procs, err := os.ReadFile(filepath.Join(root, "marina", "cgroup.procs"))
		if c.moved != (err == nil && string(procs) == "7") {
			t.Errorf("%s: moved %q, %v", c.why, procs, err)
		}
		if control, err := os.ReadFile(filepath.Join(root, "cgroup.subtree_control")); c.moved && (err != nil || string(control) != "+memory") {
			t.Errorf("%s: controllers %q, %v", c.why, control, err)
		}
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"marina-agent"}, {"marina-agent", "stop"}, {"marina-agent", "run", "more"}, {"marina-agent", "run", "--unknown"}} {
		if err := Main(args); !errors.Is(err, errUsage) {
			t.Errorf("Main(%q) = %v", args[1:], err)
		}
	}
}

func TestCause(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	ended, end := context.WithCancelCause(t.Context())
	end(nil)
	failed, fail := context.WithCancelCause(t.Context())
	fail(broken)
	for _, c := range []struct {
		why  string
		ctx  context.Context
		err  error
		want error
	}{
		{"the caller ended it", ended, nil, nil},
		{"a call was cut by that", ended, context.Canceled, nil},
		{"a part gave up", failed, context.Canceled, broken},
		{"a step went wrong", t.Context(), broken, broken},
	} {
		if got := cause(c.ctx, c.err); !errors.Is(got, c.want) || (c.want == nil && got != nil) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}
