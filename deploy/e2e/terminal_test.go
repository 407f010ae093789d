//go:build integration

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/marina-cloud/marina/internal/home"
)

// terminal is one that is open in a browser's stead.
type terminal struct {
	t     *testing.T
	ctx   context.Context
	ws    *websocket.Conn
	shown bytes.Buffer
	asked int
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, marina.API+"/v1/clusters/"+k.ID+"/terminal?columns=200&rows=50", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + marina.Client.Token}}, Subprotocols: []string{"marina.terminal.v1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &terminal{t: t, ctx: ctx, ws: ws}
}

// run types a command and returns what it shows, and its exit status.
func (x *terminal) run(command string) (out, status string) {
	x.t.Helper()
	x.asked++
	// The marks are put together by the shell: what is typed is shown, too.
	line := fmt.Sprintf("echo beg''in-%[1]d; %[2]s; echo e''nd-%[1]d-$?\r", x.asked, command)
	if err := x.ws.Write(x.ctx, websocket.MessageBinary, []byte(line)); err != nil {
		x.t.Fatal(err)
	}
	begin, end := fmt.Sprintf("begin-%d\r\n", x.asked), fmt.Sprintf("end-%d-", x.asked)
	for {
		if _, rest, ok := strings.Cut(x.shown.String(), begin); ok {
			if text, after, ok := strings.Cut(rest, end); ok && strings.Contains(after, "\r\n") {
				return strings.ReplaceAll(text, "\r\n", "\n"), after[:strings.Index(after, "\r\n")]
			}
		}
		_, data, err := x.ws.Read(x.ctx)
		if err != nil {
			x.t.Fatalf("%s: %v; shown was %q", command, err, x.shown.String())
		}
		x.shown.Write(data)
	}
}

// TestTerminalInTheBrowser: a person has kubectl there, and nothing else.
func TestTerminalInTheBrowser(t *testing.T) {
	h, err := home.At(marina.Home)
	if err != nil {
		t.Fatal(err)
	}
	x := openTerminal(t)
	if out, status := x.run("kubectl get nodes -o name"); status != "0" || strings.Count(out, "node/") != 2 {
		t.Errorf("kubectl get nodes: %s, %s", status, out)
	}
	if out, status := x.run("k auth whoami -o jsonpath='{.status.userInfo.groups}' | jq -r '.[0]'"); status != "0" || strings.Contains(out, "system:masters") {
		t.Errorf("k auth whoami: %s, %s", status, out)
	}
	if out, _ := x.run("tput cols 2>/dev/null || stty size"); !strings.Contains(out, "200") {
		t.Errorf("size of the terminal: %s", out)
	}

	// It has a network in which there is nothing, and no way to anything else.
	if out, _ := x.run("grep -c : /proc/net/dev"); strings.TrimSpace(out) != "1" {
		t.Errorf("network devices: %s, want the loopback alone", out)
	}
	// Without them some of what follows would fail for lack of a program.
	if out, status := x.run("busybox --list | grep -cxE 'chroot|unshare'"); status != "0" || strings.TrimSpace(out) != "2" {
		t.Errorf("busybox lacks what the attacks need: %s", out)
	}
	api := strings.TrimPrefix(marina.API, "http://localhost:")
	for what, command := range map[string]string{
		"the platform's API":  "exec 3<>/dev/tcp/127.0.0.1/" + api,
		"the host's loopback": "exec 3<>/dev/tcp/127.0.0.1/22",
		"a private network":   "exec 3<>/dev/tcp/10.0.0.1/443",
		"metadata":            "exec 3<>/dev/tcp/169.254.169.254/80",
		"the root":            "touch /etc/x",
		"a kernel setting":    "echo 1 > /proc/sys/kernel/panic",
		"another root":        "busybox chroot / /usr/bin/id",
		"a device":            "cat /dev/mem",
		"another namespace":   "busybox unshare -m /usr/bin/true",
		"the host's files":    "ls " + marina.Home,
		"many processes":      "for i in $(seq 300); do sleep 9 & done 2>/dev/null; [ $(ls -d /proc/[0-9]* | wc -l) -gt 200 ]",
	} {
		if out, status := x.run("(" + command + ") 2>&1"); status == "0" {
			t.Errorf("%s can be had with %s: %s", what, command, out)
		}
	}
	if out, _ := x.run("id -u; cat /proc/self/status | grep CapEff"); strings.HasPrefix(out, "0\n") || !strings.Contains(out, "0000000000000000") {
		t.Errorf("who sits there: %s", out)
	}
	if out, _ := x.run("ls /run/marina /home/me"); !strings.Contains(out, "kubeconfig") || strings.Contains(out, ".sock") {
		t.Errorf("files of the platform: %s", out)
	}

	// Nothing is left of it.
	if open, err := os.ReadDir(h.Terminals()); err != nil || len(open) != 1 {
		t.Fatalf("open terminals: %v, %v", open, err)
	}
	_ = x.ws.CloseNow() // as when a laptop is shut
	eventually(t, "nothing is left of the terminal", func() (bool, string) {
		open, _ := os.ReadDir(h.Terminals())
		containers, _ := filepath.Glob(filepath.Join(h.Runc(), "term-*"))
		groups, _ := exec.Command("sh", "-c", "find /sys/fs/cgroup -type d -path '*"+h.Cgroup()+"/terminals/*'").Output()
		return len(open)+len(containers)+len(groups) == 0, fmt.Sprint(open, containers, string(groups))
	})
}
