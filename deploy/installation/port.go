package installation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// The ports from which FreePort chooses. The kernel gives connections and listeners
// that name no port one from 32768 on (ip_local_port_range, ip(7)).
const (
	lowestPort  = 16384
	highestPort = 32767
)

// FreePort returns a TCP port of the loopback interface on which nothing listens,
// and which the kernel gives to nobody by itself: so it stays free until whoever
// has to know it before uses it, and after that, across a restart.
func FreePort() (string, error) {
	for {
		port := strconv.Itoa(lowestPort + rand.IntN(highestPort-lowestPort+1))
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
		return port, ln.Close()
	}
}
