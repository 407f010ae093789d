package router

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// carry copies what comes from one side to the other, until it ends.
func (p pool) carry(to io.Writer, from io.Reader) (int64, error) {
	sink, socketTo := to.(syscall.Conn)
	source, socketFrom := from.(syscall.Conn)
	if socketTo && socketFrom {
		return p.splice(sink, source)
	}
	return io.Copy(to, from) // one of them speaks TLS
}

// flow is one direction of a connection between sockets. Its bytes go through a
// pipe and never enter this process: splice(2).
//
// io.Copy does that, too, but holds a pipe for as long as it runs, and most
// connections are silent most of the time. And it tells the Go scheduler of every
// system call, in case that it blocks. These never do, and there are several for
// every TLS record: what the scheduler does about them takes as long as they do.
type flow struct {
	pipes    pool
	from, to syscall.RawConn
	pipe     *pipe // nil: nothing is on its way
	held     int   // bytes in pipe
	moved    int64 // bytes
	err      error // of the last system call
}

// splice carries bytes from one socket to another until the former ends, and says
// how many arrived. Deadlines and Close interrupt it, as they do Read and Write.
func (p pool) splice(to, from syscall.Conn) (int64, error) {
	source, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	sink, err := to.SyscallConn()
	if err != nil {
		return 0, err
	}
	f := &flow{pipes: p, from: source, to: sink}
	err = f.run()
	if f.pipe != nil {
		f.pipe.close() // somebody else must not get what is in it
	}
	return f.moved, err
}

func (f *flow) run() error {
	fill, drain := f.fill, f.drain // made once
	for {
		if err := errors.Join(f.from.Read(fill), f.err); err != nil {
			return err
		}
		if f.held == 0 { // the end
			f.release()
			return nil
		}
		if err := errors.Join(f.to.Write(drain), f.err); err != nil {
			return err
		}
		f.release()
	}
}

// fill takes what there is from a socket; false: nothing yet. While it waits there
// is no pipe.
func (f *flow) fill(socket uintptr) bool {
	if f.pipe == nil {
		if f.pipe, f.err = f.pipes.get(); f.err != nil {
			return true
		}
	}
	f.held, f.err = move(int(socket), f.pipe.in, pipeSize)
	if errors.Is(f.err, unix.EAGAIN) {
		f.held, f.err = 0, nil
		f.release()
		return false
	}
	return true
}

// drain gives what is held to a socket; false: it takes no more just now.
func (f *flow) drain(socket uintptr) bool {
	for f.held > 0 {
		n, err := move(f.pipe.out, int(socket), f.held)
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		if err != nil {
			f.err = err
			return true
		}
		f.held -= n
		f.moved += int64(n)
	}
	return true
}

// release gives the empty pipe back.
func (f *flow) release() {
	f.pipes.put(f.pipe)
	f.pipe = nil
}

// move is splice(2) that does not block, of at most n bytes.
func move(from, to, n int) (int, error) {
	for {
		moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch errno {
		case 0:
			return int(moved), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, unix.EAGAIN
		default:
			return 0, os.NewSyscallError("splice", errno)
		}
	}
}

// pipeSize is how many bytes a pipe holds, which is what Linux makes it; see pipe(7).
const pipeSize = 64 << 10

type pipe struct{ in, out int } // files

func (p *pipe) close() { _, _ = unix.Close(p.in), unix.Close(p.out) }

// pool has pipes that are empty and wait for work. It is safe for concurrent use.
type pool chan *pipe

// poolSize is how many pipes wait at most: more than a machine's CPUs fill at once.
const poolSize = 128

func (p pool) get() (*pipe, error) {
	select {
	case empty := <-p:
		return empty, nil
	default:
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return &pipe{in: ends[1], out: ends[0]}, nil
}

func (p pool) put(empty *pipe) {
	select {
	case p <- empty:
	default: // there are enough
		empty.close()
	}
}

// close is for when nobody carries any more.
func (p pool) close() {
	for {
		select {
		case empty := <-p:
			empty.close()
		default:
			return
		}
	}
}
