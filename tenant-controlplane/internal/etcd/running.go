package etcd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// errSilent says that nobody answers on a socket.
var errSilent = errors.New("etcd does not answer")

const (
	answerIn = 5 * time.Second
	// stall is how long nothing may come of a copy that has begun.
	stall = time.Minute
)

// fromRunning copies an etcd that answers on a socket.
func fromRunning(ctx, waiting context.Context, socket, file string) (revision int64, err error) {
	if _, err := os.Lstat(socket); err != nil {
		return 0, errSilent
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + socket}, DialTimeout: answerIn, Logger: zap.NewNop()})
	if err != nil {
		return 0, fmt.Errorf("%w (%w)", errSilent, err)
	}
	defer client.Close()
	asking, cancel := context.WithTimeout(waiting, answerIn)
	defer cancel()
	status, err := client.Status(asking, client.Endpoints()[0])
	if err != nil {
		return 0, fmt.Errorf("%w (%w)", errSilent, err)
	}
	receiving, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	dog := time.AfterFunc(stall, func() { abort(fmt.Errorf("nothing came for %s", stall)) })
	defer dog.Stop()
	r, err := client.Snapshot(receiving)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	defer r.Close()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("copy etcd: %w", err)
	}
	d := digested{w: f, sum: sha256.New(), fed: func() { dog.Reset(stall) }}
	_, err = io.Copy(&d, r)
	if cause := context.Cause(receiving); err != nil && cause != nil {
		err = cause
	}
	if err == nil && !d.whole() {
		err = errors.New("it ended without the digest that belongs to it")
	}
	if err != nil && d.failed == nil {
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("copy etcd: %w", err)
	}
	return status.Header.Revision, nil
}

// digested passes on what ends with its own SHA-256 digest.
type digested struct {
	w    io.Writer
	sum  hash.Hash
	last []byte // not more than the size of a digest; not summed up yet
	fed  func()

	failed error // to pass on
}

func (d *digested) Write(p []byte) (int, error) {
	d.fed()
	d.last = append(d.last, p...)
	if n := len(d.last) - sha256.Size; n > 0 {
		d.sum.Write(d.last[:n])
		d.last = append(d.last[:0], d.last[n:]...)
	}
	n, err := d.w.Write(p)
	d.failed = err
	return n, err
}

func (d *digested) whole() bool { return string(d.last) == string(d.sum.Sum(nil)) }
