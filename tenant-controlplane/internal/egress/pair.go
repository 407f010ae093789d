package egress

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/time/rate"
)

// copyBuffer is how many bytes are carried at a time.
const copyBuffer = 32 << 10

// pair is the two ends of a connection, between which bytes are copied.
type pair struct {
	ends  [2]net.Conn
	bytes *rate.Limiter
	idle  time.Duration
}

// copy carries bytes until from ends, and then tells to that nothing more comes.
// After an error both ends are closed, so that the other direction ends, too.
func (p *pair) copy(ctx context.Context, to net.Conn, from io.Reader) {
	buffer := make([]byte, copyBuffer)
	for {
		p.stir()
		n, err := from.Read(buffer)
		if n > 0 {
			if w := p.bytes.WaitN(ctx, n); w != nil {
				break
			}
			p.stir()
			if _, w := to.Write(buffer[:n]); w != nil {
				break
			}
		}
		if err == io.EOF {
			if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
				return
			}
			break
		}
		if err != nil {
			break
		}
	}
	for _, end := range p.ends {
		end.Close()
	}
}

// stir puts off the time at which both ends count as idle.
func (p *pair) stir() {
	until := time.Now().Add(p.idle)
	for _, end := range p.ends {
		_ = end.SetDeadline(until) // a closed one says so when it is used
	}
}
