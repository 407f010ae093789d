package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/host"
)

func TestFree(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = free(ln.Addr().String(), "--listen")
	if err == nil {
		t.Fatal("an address that is taken is free")
	}
	says(t, "the error", err.Error(), "another program listens on "+ln.Addr().String(), "choose another address with --listen")
	if err := free("127.0.0.1:0", "--listen"); err != nil {
		t.Errorf("any port: %v", err)
	}
	if err := free("192.0.2.1:0", "--listen"); err == nil || !strings.Contains(err.Error(), "cannot listen on 192.0.2.1:0") {
		t.Errorf("an address of another machine: %v", err)
	}
}

func TestSamePort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listens, wanted string
		want            bool
	}{
		{"[::]:6443", ":6443", true},
		{"127.0.0.1:6443", "localhost:6443", true},
		{"127.0.0.1:36443", "127.0.0.1:0", true},
		{"127.0.0.1:36443", ":6443", false},
	} {
		if got := samePort(c.listens, c.wanted); got != c.want {
			t.Errorf("samePort(%q, %q) = %t", c.listens, c.wanted, got)
		}
	}
}

func TestDowned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    host.Downed
		want string
	}{
		{host.Downed{}, "Nothing of Marina was running; there is no installation in /h"},
		{host.Downed{Existed: true}, "Nothing of Marina was running; the data is kept in /h"},
		{host.Downed{Existed: true, Processes: 2}, "Marina is down; the data is kept in /h"},
		{host.Downed{Existed: true, Processes: 2, Containers: 1}, "Marina is down, 1 container stopped; the data is kept in /h"},
		{host.Downed{Existed: true, Containers: 4, Purged: true}, "Marina is down, 4 containers stopped; all data is deleted"},
	} {
		if got := downed(c.d, "/h"); got != c.want {
			t.Errorf("downed(%+v) = %q, want %q", c.d, got, c.want)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	s := &runningServer{log: filepath.Join(t.TempDir(), "marina.log")}
	if err := os.WriteFile(s.log, []byte(strings.Repeat("a long line\n", 10_000)+"the end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(s.tail(), "\n")
	if len(lines) != 8 || lines[7] != "  the end" {
		t.Errorf("tail: %q", lines)
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]string{
		0: "0s", -time.Hour: "0s", 119 * time.Second: "119s", 5 * time.Minute: "5m", 3 * time.Hour: "3h", 72 * time.Hour: "3d",
	} {
		if got := age(time.Now().Add(-ago)); got != want {
			t.Errorf("age of %v: %s, want %s", ago, got, want)
		}
	}
	if got := age(time.Time{}); got != "-" {
		t.Errorf("age of no time: %s", got)
	}
}
