package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

const (
	// memberName must never change: etcd finds itself in the data by it.
	memberName = "tenant"

	// walSegmentBytes is what etcd preallocates for each file of its write-ahead
	// log, of which two always exist. Upstream's 64 MB would make every new
	// cluster 128 MB on disk; a segment only has to be larger than the largest
	// request, 1.5 MiB.
	walSegmentBytes = 16 << 20

	// socketUmask lets the group connect, which the API server belongs to.
	socketUmask = 0o007
)

type config struct {
	dir      string
	client   url.URL
	quota    int64 // bytes; 0 is etcd's default
	logLevel string
}

func (c config) etcd() *embed.Config {
	e := embed.NewConfig()
	e.Name = memberName
	e.Dir = c.dir
	e.ListenClientUrls = []url.URL{c.client}
	e.AdvertiseClientUrls = []url.URL{c.client}
	// The only member has no peers. It must have a peer URL; nobody listens there.
	// (Upstream would make an abstract socket of a unix URL with a path, which any
	// user of the same network namespace can connect to.)
	e.ListenPeerUrls = nil
	e.AdvertisePeerUrls = []url.URL{{Scheme: "unix", Host: memberName}}
	e.InitialCluster = e.InitialClusterFromName(memberName)
	// The only member waits for nobody's vote, but for the time-out before it
	// stands for election. This is the shortest that etcd allows at its tick.
	e.ElectionMs = 5 * e.TickMs
	e.QuotaBackendBytes = c.quota
	e.LogLevel = c.logLevel
	// Nobody speaks JSON to a tenant's etcd, and the gateway holds a client
	// connection to the server itself.
	e.EnableGRPCGateway = false
	return e
}

// serve runs etcd until ctx is done, and then closes it: what was acknowledged is
// on disk either way, but a clean close makes the next start quicker. It returns
// an error when etcd does not start or stops by itself.
func serve(ctx context.Context, c config) error {
	wal.SegmentSizeBytes = walSegmentBytes
	syscall.Umask(socketUmask)
	server, err := embed.StartEtcd(c.etcd())
	if err != nil {
		return fmt.Errorf("start etcd on %s: %w", c.dir, err)
	}
	defer server.Close()
	select {
	case <-ctx.Done():
		return nil
	case <-server.Server.StopNotify():
		return fmt.Errorf("etcd on %s stopped by itself; its log says why", c.dir)
	case err := <-server.Err():
		if err == nil {
			err = errors.New("a listener was closed")
		}
		return fmt.Errorf("serve etcd on %s: %w", c.dir, err)
	}
}
