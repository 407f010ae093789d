package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"google.golang.org/grpc"
)

const (
	// memberName must never change: etcd finds itself in the data by it.
	memberName = "tenant"

	// walSegmentBytes is what etcd preallocates for each file of its write-ahead
	// log, of which two always exist. Upstream's 64 MB would make every new
	// cluster 128 MB on disk; a segment only has to be larger than the largest
	// request, 1.5 MiB.
	walSegmentBytes = 4 << 20

	// snapshotCount is how many writes are in the log at most: what is read again
	// at the next start, and, as requests may be large, how much disk it takes.
	snapshotCount = 1000
	// catchUpEntries is how many of them etcd keeps in memory for members that lag
	// behind. There are none, and upstream's 5000 of a megabyte each would be the
	// end of a process with less memory than that.
	catchUpEntries = 50

	// socketUmask lets the group connect, which the API server belongs to.
	socketUmask = 0o007
)

type config struct {
	dir      string
	client   url.URL
	quota    int64 // bytes; 0 is etcd's default
	logLevel string
	look     time.Duration // how often the keeper looks; 0 is usualLook
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
	e.SnapshotCount = snapshotCount
	e.SnapshotCatchUpEntries = catchUpEntries
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
	count, copies := &count{}, &copies{}
	usage := &usageHandler{quota: quotaOf(c.quota), count: count}
	e := c.etcd()
	e.UserHandlers = map[string]http.Handler{usagePath: usage}
	e.GRPCAdditionalServerOptions = []grpc.ServerOption{grpc.ChainStreamInterceptor(copies.intercept)}
	server, err := embed.StartEtcd(e)
	if err != nil {
		return fmt.Errorf("start etcd on %s: %w", c.dir, err)
	}
	defer server.Close()
	usage.server.Store(server.Server)

	var keeping sync.WaitGroup
	defer keeping.Wait() // before etcd closes what the keeper works on
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := keeper{server: server.Server, quota: usage.quota, look: cmp.Or(c.look, usualLook), copies: copies, count: count, log: e.GetLogger()}
	keeping.Go(func() {
		select {
		case <-server.Server.ReadyNotify():
			k.run(ctx)
		case <-ctx.Done():
		}
	})
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
