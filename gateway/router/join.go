package router

import (
	"net"
	"time"
)

// duplex is a connection whose two directions end apart from one another.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// join carries bytes both ways until both ways have ended, and says how many.
// It closes neither side.
//
// When one side ends its way the other side hears just that, and may go on
// talking: a client that has said all still gets its whole answer, however long
// that takes. A client whose server has ended has the time linger to do the
// same; without that, somebody who never closes a connection that the server
// gave up would hold a place for ever. After a failure, too, the other way has
// the time linger, to deliver what was on its way.
//
// Sockets are spliced. Wrapping either would undo that.
func join(pipes pool, client, server duplex, linger time.Duration) (in, out int64) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if in, err = oneWay(pipes, server, client); err != nil {
			_ = server.SetReadDeadline(time.Now().Add(linger))
		}
	}()
	out, _ = oneWay(pipes, client, server) // however it ended, so does this way
	_ = client.SetReadDeadline(time.Now().Add(linger))
	<-done
	return in, out
}

func oneWay(pipes pool, to, from duplex) (int64, error) {
	n, err := pipes.carry(to, from)
	_ = to.CloseWrite() // fails if it is closed, which is what was wanted
	return n, err
}
