package host

import (
	"slices"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/home"
)

func TestOurs(t *testing.T) {
	t.Parallel()
	h, err := home.At("/srv/marina")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/srv/marina/machines/nd-1/root/deeper",
		h.NetworkNamespace() + "-nd-1",
		"/srv/marina/machines/nd-1",
		h.NetworkNamespace(),
		h.Run(),
	}
	slices.SortStableFunc(want, func(a, b string) int { return len(b) - len(a) })
	got := ours(h, append([]string{
		"/", "/run", "/run/marina", "/run/netns",
		"/srv/marina",          // the operator's disk
		"/srv/marina/machines", // another one
		"/srv/marina/postgres",
		"/srv/marina-other/machines/nd-1",
		h.Run() + "0",
	}, want...))
	if !slices.Equal(got, want) {
		t.Errorf("ours:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMountPoints(t *testing.T) {
	t.Parallel()
	got, err := mountPoints(strings.NewReader(`22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
36 35 98:0 /mnt1 /mnt\040with\011odd\134names rw,noatime master:1 - ext3 /dev/root rw
37 35 0:9 / /long rw - overlay overlay lowerdir=` + strings.Repeat("/layer:", 20_000) + "\n"))
	want := []string{"/sys", "/mnt with\todd\\names", "/long"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("mount points %q, %v, want %q", got, err, want)
	}
}
