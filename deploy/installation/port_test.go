package installation_test

import (
	"net"
	"testing"

	"github.com/marina-cloud/marina/deploy/installation"
)

func TestFreePort(t *testing.T) {
	given := map[string]bool{}
	for range 50 {
		port, err := installation.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		if given[port] {
			t.Errorf("port %s was given while it was in use", port)
		}
		given[port] = true
	}
}
