package reconcile_test

import (
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

func TestDeaths(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after the processes below are gone
	woken := make(chan tenant.ClusterID, 2)
	d := &reconcile.Deaths{Wake: func(id tenant.ClusterID) { woken <- id }}
	start := func() *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	dies, lives := start(), start()
	d.Watch("kc-dies", dies.Process.Pid)
	d.Watch("kc-dies", dies.Process.Pid) // each look says it again
	d.Watch("kc-lives", lives.Process.Pid)
	d.Watch("kc-never", 1<<22+1) // above the kernel's largest pid

	if err := dies.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-woken:
		if id != "kc-dies" {
			t.Errorf("%s was woken", id)
		}
	case <-time.After(10 * time.Second):
		t.Error("a death was not noticed")
	}
	d.Close()
	d.Watch("kc-late", lives.Process.Pid) // after Close: nothing
	if len(woken) != 0 {
		t.Errorf("%s was woken, too", <-woken)
	}
}
