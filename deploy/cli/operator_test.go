package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
)

func TestWriteInstallation(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	i := client.Installation{
		Checks: []client.Check{{Name: "router", Message: "no router runs"}},
		Disks:  []client.Disk{{Name: "home", Free: 3 << 29, Size: 4 << 30}},
	}
	writeInstallation(&b, i)
	at := time.Now().Add(-3 * time.Hour)
	i.LastBackup = &at
	writeInstallation(&b, i)
	for _, want := range []string{"router         not well", "no router runs", "1.5 of 4.0 GiB free", "last backup    never", "last backup    3h ago"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
