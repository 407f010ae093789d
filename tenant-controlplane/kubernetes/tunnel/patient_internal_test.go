package tunnel

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sigs.k8s.io/apiserver-network-proxy/konnectivity-client/proto/client"
)

// paused is the stream of a connection that nobody reads.
type paused struct {
	client.ProxyService_ProxyServer
	ctx context.Context
}

func (p paused) Context() context.Context { return p.ctx }

func (p paused) Send(*client.Packet) error {
	<-p.ctx.Done()
	return p.ctx.Err()
}

// flood sends packets of one MiB for as long as they are taken, up to many more than
// are kept, and counts them. They share their bytes.
type flood struct {
	client.ProxyServiceServer
	packet *client.Packet
	taken  *atomic.Int64
}

func newFlood() flood {
	data := &client.Packet_Data{Data: &client.Data{Data: make([]byte, 1<<20)}}
	return flood{packet: &client.Packet{Type: client.PacketType_DATA, Payload: data}, taken: new(atomic.Int64)}
}

func (f flood) Proxy(stream client.ProxyService_ProxyServer) error {
	for range 1000 {
		if err := stream.Send(f.packet); err != nil {
			return err
		}
		f.taken.Add(1)
	}
	return nil
}

// TestReadersThatStop: what is kept for those who do not read is bounded, for each
// connection and for all together, and what was kept for one that ends is free again.
func TestReadersThatStop(t *testing.T) {
	for name, tc := range map[string]struct {
		readers, gone int   // how many there are, and how many of them end
		kept          int64 // MiB taken in, before and after
		after         int64
	}{
		"One":  {1, 1, patiencePerConnection >> 20, patiencePerConnection >> 20},
		"Many": {20, 2, patienceInAll >> 20, patienceInAll>>20 + 2*patiencePerConnection>>20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlood()
				p := newPatient(f)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var ends []context.CancelFunc
				for range tc.readers {
					one, end := context.WithCancel(ctx)
					defer end()
					ends = append(ends, end)
					go func() { _ = p.Proxy(paused{ctx: one}) }()
					synctest.Wait() // each takes all that it can get
				}
				if n := f.taken.Load(); n != tc.kept {
					t.Errorf("%d MiB are kept for %d readers that have stopped, want %d", n, tc.readers, tc.kept)
				}
				for _, end := range ends[:tc.gone] {
					end()
				}
				synctest.Wait()
				if n := f.taken.Load(); n != tc.after {
					t.Errorf("%d MiB were taken in when %d of them had gone, want %d", n, tc.gone, tc.after)
				}
			})
		})
	}
}
