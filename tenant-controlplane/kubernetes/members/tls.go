package members

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// Credentials returns creds, which must ask clients for certificates, for members
// alone: a client's name is its certificate's common name, and its connection is
// closed when it stops to be one.
func (d *Directory) Credentials(creds credentials.TransportCredentials) credentials.TransportCredentials {
	return &gate{creds, d}
}

type gate struct {
	credentials.TransportCredentials
	members *Directory
}

// ServerHandshake implements credentials.TransportCredentials.
func (g *gate) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := g.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	name := ""
	if who, ok := info.(credentials.TLSInfo); ok && len(who.State.PeerCertificates) > 0 {
		name = who.State.PeerCertificates[0].Subject.CommonName
	}
	ctx, leave, ok := g.members.enter(context.Background(), name)
	if !ok {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("%q is not, or no longer, a node of the cluster", name)
	}
	context.AfterFunc(ctx, func() { _ = raw.Close() }) // without a farewell, for which it could make us wait
	return &visitor{Conn: conn, leave: sync.OnceFunc(leave)}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (g *gate) Clone() credentials.TransportCredentials {
	return &gate{g.TransportCredentials.Clone(), g.members}
}

// visitor is the connection of a member.
type visitor struct {
	net.Conn
	leave func()
}

func (v *visitor) Close() error {
	err := v.Conn.Close()
	v.leave()
	return err
}
