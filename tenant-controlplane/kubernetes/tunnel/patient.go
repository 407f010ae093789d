package tunnel

import (
	"context"
	"sync"

	"sigs.k8s.io/apiserver-network-proxy/konnectivity-client/proto/client"
)

// Bounds of what waits for slow readers, in bytes.
const (
	patiencePerConnection = 16 << 20
	patienceInAll         = 128 << 20
)

// patient makes a ProxyServer keep what a reader has not taken yet. All connections
// to a node share one stream of its agent: without it the first that is not read any
// more, such as a paused `kubectl logs -f`, holds up all others. Whoever lets more
// come than is kept still does, until the API server gives the connection up: the
// protocol has no way to tell an agent that one connection should wait.
type patient struct {
	client.ProxyServiceServer
	room *room
}

func newPatient(s client.ProxyServiceServer) *patient {
	return &patient{s, newRoom(patienceInAll)}
}

// Proxy serves one connection of the API server's.
func (p *patient) Proxy(stream client.ProxyService_ProxyServer) error {
	q := &queue{ProxyService_ProxyServer: stream, room: p.room, mine: newRoom(patiencePerConnection), more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(stream.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		q.send(ctx)
	}()
	err := p.ProxyServiceServer.Proxy(q)
	cancel()
	<-sent
	return err
}

// queue is the stream of one connection.
type queue struct {
	client.ProxyService_ProxyServer
	room, mine *room
	more       chan struct{} // holds something when packets or err have changed

	mu      sync.Mutex
	packets []*client.Packet
	err     error // of a packet that could not be sent, or that nothing is sent any more
}

// Send takes a packet in, or waits for room.
func (q *queue) Send(p *client.Packet) error {
	ctx, size := q.Context(), len(p.GetData().GetData())
	if err := q.mine.enter(ctx, size); err != nil {
		return err
	}
	if err := q.room.enter(ctx, size); err != nil {
		q.mine.leave(size)
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		q.leave(p)
		return q.err
	}
	q.packets = append(q.packets, p)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) leave(p *client.Packet) {
	size := len(p.GetData().GetData())
	q.mine.leave(size)
	q.room.leave(size)
}

// send sends what comes in until ctx is done.
func (q *queue) send(ctx context.Context) {
	err := error(nil)
	for err == nil {
		select {
		case <-q.more:
		case <-ctx.Done():
			err = ctx.Err()
			continue
		}
		for err == nil {
			p := q.next() // after an error none: it would be neither sent nor counted
			if p == nil {
				break
			}
			err = q.ProxyService_ProxyServer.Send(p)
			q.leave(p)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	for _, p := range q.packets {
		q.leave(p)
	}
	q.packets = nil
}

func (q *queue) next() *client.Packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.packets) == 0 {
		q.packets = nil // what has grown is given back
		return nil
	}
	p := q.packets[0]
	q.packets[0] = nil
	q.packets = q.packets[1:]
	return p
}

// room bounds what is kept. One packet always fits.
type room struct {
	max int

	mu    sync.Mutex
	used  int
	freed chan struct{} // closed, and made anew, when there is more room
}

func newRoom(size int) *room { return &room{max: size, freed: make(chan struct{})} }

func (r *room) enter(ctx context.Context, size int) error {
	for {
		r.mu.Lock()
		if r.used == 0 || r.used+size <= r.max {
			r.used += size
			r.mu.Unlock()
			return nil
		}
		freed := r.freed
		r.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *room) leave(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= size
	close(r.freed)
	r.freed = make(chan struct{})
}
