package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A router is replaced without anybody noticing by handing its sockets over, in
// three messages on a socket of their own (SOCK_SEQPACKET):
//
//  1. offer: the serving router sends its listening sockets (SCM_RIGHTS, unix(7))
//     to the process that connected, and goes on accepting.
//  2. ready: the successor accepts, too. The kernel has one queue for both.
//  3. yours: the first router has stopped accepting. It lives on until its open
//     connections have ended.
//
// A socket closes when the last process that holds it lets go, so nobody is
// refused in between, and whichever of the two dies before the third message the
// other one serves: before 2 the first has never stopped; after it the successor
// is accepting. The successor takes silence instead of 3 for the first router's
// death only if that process has in fact ended.

// Messages of a hand-over besides the offer.
const (
	msgReady = "ready"
	msgYours = "yours"
)

const (
	handoverTimeout = 10 * time.Second // for the other side's next message
	handoverWait    = 5 * time.Second  // for a predecessor that is neither gone nor there
	maxOffer        = 4 << 10          // bytes
	maxSockets      = 8                // of an offer
)

// role is what a listening socket is for.
type role string

const (
	rolePublic   role = "public"
	roleNodes    role = "nodes"
	roleControl  role = "control"
	roleHandover role = "handover"
)

// offer is the first message of a hand-over. Each socket comes with it as an open
// file, in this order.
type offer struct {
	PID     int       `json:"pid"` // of the router that serves
	Sockets []offered `json:"sockets"`
}

type offered struct {
	Role role   `json:"role"`
	At   string `json:"at"` // where the configuration wants it: a successor with another one opens its own
}

// listener is what net's listeners have in common that is needed here.
type listener interface {
	net.Listener
	syscall.Conn
}

// sockets are the listening sockets of a router, by what they are for.
type sockets map[role]listener

// at says where the configuration wants a socket.
func (c Config) at(r role) string {
	switch r {
	case rolePublic:
		return c.Listen
	case roleNodes:
		return c.NodeNamespace + ":" + strconv.Itoa(c.NodePort)
	case roleControl:
		return c.Control
	case roleHandover:
		return c.Handover
	}
	return ""
}

// close closes what is left of s.
func (s sockets) close() {
	for r, ln := range s {
		_ = ln.Close()
		delete(s, r)
	}
}

// give sends an offer of s.
func (s sockets) give(to *net.UnixConn, c Config) error {
	o := offer{PID: os.Getpid()}
	var files []int
	defer func() {
		for _, fd := range files {
			_ = unix.Close(fd)
		}
	}()
	for r, ln := range s {
		fd, err := duplicate(ln)
		if err != nil {
			return fmt.Errorf("offer the %s socket: %w", r, err)
		}
		files = append(files, fd)
		o.Sockets = append(o.Sockets, offered{r, c.at(r)})
	}
	data, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode offer: %w", err)
	}
	if _, _, err := to.WriteMsgUnix(data, unix.UnixRights(files...), nil); err != nil {
		return fmt.Errorf("send offer: %w", err)
	}
	return nil
}

// duplicate returns another descriptor of the same socket. (A listener's File
// would do, but what its Fd returns is set to block, for all who share the socket.)
func duplicate(ln syscall.Conn) (fd int, err error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return 0, err
	}
	fail := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(fail, err)
}

// predecessor is the router that has served until now.
type predecessor struct {
	conn *net.UnixConn
	pid  *os.File // a pidfd, or nil: it has ended
}

func (p *predecessor) close() {
	_ = p.conn.Close()
	if p.pid != nil {
		_ = p.pid.Close()
	}
}

// errTakeOver says that a router was there and did not hand its sockets over. It
// may have been about to end.
var errTakeOver = errors.New("the router that serves did not hand its sockets over")

// takeOver asks the router that serves for its sockets, and keeps those that c
// wants where they are. There is no predecessor, and no error, when nobody
// answers.
func takeOver(ctx context.Context, c Config) (*predecessor, sockets, error) {
	var dialer net.Dialer
	dialed, err := dialer.DialContext(ctx, "unixpacket", c.Handover)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, sockets{}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask the router that serves for its sockets: %w", err)
	}
	p := &predecessor{conn: dialed.(*net.UnixConn)}
	o, all, err := receive(p.conn)
	if err != nil {
		p.close()
		return nil, nil, errors.Join(errTakeOver, err)
	}
	mine := sockets{}
	for i, s := range o.Sockets {
		if _, twice := mine[s.Role]; twice || s.At == "" || s.At != c.at(s.Role) {
			_ = all[i].Close()
			continue
		}
		mine[s.Role] = all[i]
	}
	if fd, err := unix.PidfdOpen(o.PID, 0); err == nil {
		p.pid = os.NewFile(uintptr(fd), "pidfd")
	}
	return p, mine, nil
}

// receive reads an offer with its sockets.
func receive(from *net.UnixConn) (o offer, all []listener, err error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close() // the listeners have descriptors of their own
		}
		if err != nil {
			for _, ln := range all {
				_ = ln.Close()
			}
			all = nil
		}
	}()
	if err := from.SetReadDeadline(time.Now().Add(handoverTimeout)); err != nil {
		return o, nil, err
	}
	data, rights := make([]byte, maxOffer), make([]byte, unix.CmsgSpace(4*maxSockets))
	n, rn, flags, _, err := from.ReadMsgUnix(data, rights)
	if err != nil {
		return o, nil, fmt.Errorf("read offer: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil {
		return o, nil, fmt.Errorf("read offered sockets: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return o, nil, fmt.Errorf("read offered sockets: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "offered"))
		}
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		return o, nil, errors.New("read offer: it is too long")
	}
	if err := json.Unmarshal(data[:n], &o); err != nil {
		return o, nil, fmt.Errorf("decode offer: %w", err)
	}
	if len(files) != len(o.Sockets) {
		return o, nil, fmt.Errorf("decode offer: %d sockets came, %d were named", len(files), len(o.Sockets))
	}
	for _, f := range files {
		ln, err := net.FileListener(f)
		if err != nil {
			return o, all, fmt.Errorf("use offered socket: %w", err)
		}
		l, ok := ln.(listener)
		if !ok {
			return o, all, errors.Join(fmt.Errorf("use offered socket: it is a %T", ln), ln.Close())
		}
		all = append(all, l)
	}
	return o, all, nil
}

// relieve tells the predecessor that this router accepts, and returns when it is
// the only one. An error means that the predecessor goes on.
func (p *predecessor) relieve() error {
	defer p.close()
	err := p.conn.SetDeadline(time.Now().Add(handoverTimeout))
	if err == nil {
		_, err = p.conn.Write([]byte(msgReady))
	}
	if err == nil {
		answer := make([]byte, len(msgYours))
		var n int
		if n, err = p.conn.Read(answer); err == nil && string(answer[:n]) == msgYours {
			return nil
		}
	}
	if p.ended(time.Second) {
		return nil
	}
	if err == nil {
		err = errors.New("it said something else")
	}
	return fmt.Errorf("the router that served keeps its sockets: %w", err)
}

// ended waits for the predecessor's end, and reports whether it has come.
func (p *predecessor) ended(limit time.Duration) bool {
	if p.pid == nil {
		return true
	}
	end := time.Now().Add(limit)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pid.Fd()), Events: unix.POLLIN}}, int(max(0, time.Until(end).Milliseconds())))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}

// awaitSuccessor offers s() to whoever connects to ln, one after the other, until
// one of them accepts connections, or until ctx is done; then it returns nil. It
// closes ln.
func (r *Router) awaitSuccessor(ctx context.Context, ln listener, s func() sockets) *net.UnixConn {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer func() {
		stop()
		_ = ln.Close()
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			r.config.Log.WarnContext(ctx, "router cannot be replaced at this moment", "error", err)
			select {
			case <-time.After(longPause):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		conn := c.(*net.UnixConn)
		err = r.offerTo(ctx, conn, s())
		if err == nil {
			return conn
		}
		_ = conn.Close()
		r.config.Log.WarnContext(ctx, "router was not replaced and goes on", "error", err)
	}
}

// offerTo returns nil when the process at the other end accepts connections.
func (r *Router) offerTo(ctx context.Context, conn *net.UnixConn, s sockets) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(handoverTimeout)); err != nil {
		return err
	}
	if err := s.give(conn, r.config); err != nil {
		return err
	}
	answer := make([]byte, len(msgReady))
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("wait for the successor: %w", err)
	}
	if string(answer[:n]) != msgReady {
		return errors.New("wait for the successor: it said something else")
	}
	return ctx.Err()
}
