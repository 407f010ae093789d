package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestWhatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	p := somebody(t, newAPI(t))
	for _, c := range []struct {
		args string
		want string
	}{
		{"frobnicate", "there is no command `marina frobnicate`\nTry `marina --help`."},
		{"cluters", "did you mean clusters?"},
		{"clusters remove", "there is no command `marina clusters remove`\nTry `marina clusters --help`."},
		{"clusters get", "CLUSTER is missing: say `marina clusters get CLUSTER`\nTry `marina clusters get --help`."},
		{"pools delete", "CLUSTER and POOL are missing"},
		{"pools create demo", "NAME is missing: say `marina pools create CLUSTER NAME`"},
		{"clusters list demo", `"demo" is one argument too many`},
		{"clusters list --loud", "unknown flag: --loud\nTry `marina clusters list --help`."},
		{"pools create demo x --count many", `invalid argument "many" for "--count"`},
		{"pools create demo x --label y", "y must be formatted as key=value"},
		{"pools create demo x --taint y", `taint "y" is not of the form KEY=VALUE:EFFECT`},
		{"pools resize demo x", "say how many nodes with --count"},
		{"kubectl", "CLUSTER is missing"},
		{"up --listen 8080", `--listen is "8080": write it like localhost:8080`},
		{"serve --local-provider-untrusted maybe", "say accept or refuse"},
	} {
		r := p.types(t, "", strings.Fields(c.args)...)
		if r.status != 2 || r.out != "" {
			t.Errorf("marina %s: exit status %d, want 2; printed %q", c.args, r.status, r.out)
		}
		says(t, "marina "+c.args, r.errs, "Error: ", c.want)
	}
}

// TestHelp walks over all commands.
func TestHelp(t *testing.T) {
	t.Parallel()
	goTypes := regexp.MustCompile(`--[a-z-]+ (string|int|duration|stringToString|stringArray)\b`)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: its short help is %q", c.CommandPath(), c.Short)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s: without help", c.CommandPath(), f.Name)
			}
		})
		help := c.UsageString()
		if found := goTypes.FindString(help); found != "" {
			t.Errorf("%s: %q is Go's word for a value, not a person's", c.CommandPath(), found)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 110 {
				t.Errorf("%s: a line of its help has %d characters", c.CommandPath(), len(line))
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&env{out: io.Discard, errs: io.Discard}).root())
	p := somebody(t, newAPI(t))
	for _, args := range []string{"", "clusters", "--help", "help pools create"} {
		says(t, "marina "+args, p.runs(t, strings.Fields(args)...), "Usage:")
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	r := p.types(t, goodPassword, "--server", gone.URL, "login", "--email", "a@b")
	if r.status != 1 {
		t.Errorf("exit status %d", r.status)
	}
	says(t, "the error", r.errs, "Error: Marina does not answer at "+gone.URL+": connection refused\n", "up` starts it", "--server")
}

// TestJSON: every command's result can be read by a program.
func TestJSON(t *testing.T) {
	t.Parallel()
	p := member(t, newAPI(t))
	for _, args := range []string{
		"clusters list", "clusters create demo", "clusters create other --wait", "clusters get demo --wait", "clusters events demo", "clusters list",
		"pools list demo", "pools create demo workers --count 2 --label a=b --taint k=v:NoSchedule", "pools list demo", "pools resize demo workers --count 1 --wait",
		"nodes list demo", "kubeconfig demo", "pools delete demo workers --wait", "clusters delete demo", "clusters delete other --wait",
	} {
		out := p.runs(t, append(strings.Fields(args), "--json")...)
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil || v == nil {
			t.Errorf("marina %s --json: %v\n%s", args, err, out)
		}
	}
	r := p.types(t, "", "status", "--json")
	var s status
	if err := json.Unmarshal([]byte(r.out), &s); err != nil || s.Running || s.Home != p.home || r.status != 3 {
		t.Errorf("status --json: %+v, %v", r, err)
	}
}

func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	p := somebody(t, newAPI(t))
	r := p.types(t, "", "status")
	if want := "Marina does not run in " + p.home + ". Start it: marina --home " + p.home + " up\n"; r.out != want || r.status != 3 {
		t.Errorf("status: %+v, want %q", r, want)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo", "--wait")
	p.runs(t, "pools", "create", "demo", "workers", "--wait")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		says(t, shell, p.runs(t, "completion", shell), "marina")
	}
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"clusters are known", []string{"clusters", "get", ""}, "demo\trunning\n:4\n"},
		{"there is one cluster in a command", []string{"clusters", "get", "demo", ""}, ":4\n"},
		{"the cluster of kubectl", []string{"kubectl", ""}, "demo\trunning\n:4\n"},
		{"pools of a cluster", []string{"pools", "resize", "demo", ""}, "workers\trunning\n:4\n"},
		{"no pools of no cluster", []string{"pools", "resize", "nope", ""}, ":4\n"},
		{"sizes on offer", []string{"pools", "create", "demo", "x", "--size", ""}, "small\nlarge\n:4\n"},
		{"versions on offer", []string{"clusters", "create", "x", "--version", ""}, "1.37\tv1.37.2\n:4\n"},
		{"a choice of two", []string{"up", "--local-provider-untrusted", ""}, "accept\nrefuse\n:4\n"},
	} {
		args := append([]string{"__complete", "--home", p.home}, c.args...)
		r := person{home: p.home}.types(t, "", args...)
		if r.out != c.want {
			t.Errorf("%s: %q, want %q (%s)", c.why, r.out, c.want, r.errs)
		}
	}
	if r := (person{home: t.TempDir()}).types(t, "", "__complete", "clusters", "get", ""); r.out != ":4\n" {
		t.Errorf("without a log-in nothing is suggested, but %q", r.out)
	}
}
