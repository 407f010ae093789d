package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

// revisionBump is by how much a restored etcd is ahead of its copy. Clients have
// seen revisions that came after the copy and are lost: if those numbers were
// given out again, for something else, watches and caches would mix the two.
// etcd cannot have written so much since (10⁹ is what upstream's guide to disaster
// recovery names), and what lies before is marked as compacted, so that whoever
// asks for an old revision is told to list anew.
const revisionBump = 1_000_000_000

// copied is what `check`, `snapshot` and `restore` print, as JSON.
type copied struct {
	Revision int64 `json:"revision"`
	Keys     int   `json:"keys"`
	Bytes    int64 `json:"bytes"`
}

// runCopy carries out the commands that work on files, with no etcd running on
// them: each ends by printing what is in the copy.
func runCopy(ctx context.Context, name string, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("marina-etcd "+name, flag.ContinueOnError)
	file := flags.String("file", "", "the `file` of the copy")
	dir := ""
	if name != "check" {
		flags.StringVar(&dir, "data-dir", "", "`directory` of the data")
	}
	if err := parse(flags, args); err != nil {
		return err
	}
	if *file == "" || name != "check" && dir == "" {
		return errors.New("say --file" + map[bool]string{true: " and --data-dir"}[name != "check"])
	}
	switch name {
	case "snapshot":
		if err := takeSnapshot(ctx, dir, *file); err != nil {
			return err
		}
	case "restore":
		if err := checkDigest(*file); err != nil {
			return err
		}
		if err := restore(*file, dir); err != nil {
			return err
		}
	}
	c, err := check(*file)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(c)
}

// takeSnapshot copies data that no etcd serves. It starts etcd on it, because what
// was written last is only in the log; so give it a copy of the directory.
func takeSnapshot(ctx context.Context, dir, file string) error {
	wal.SegmentSizeBytes = walSegmentBytes
	sockets, err := os.MkdirTemp("", "marina-etcd-")
	if err != nil {
		return fmt.Errorf("make a directory for the socket: %w", err)
	}
	defer os.RemoveAll(sockets)
	c := config{dir: dir, client: url.URL{Scheme: "unix", Path: filepath.Join(sockets, "c")}, logLevel: "error"}
	server, err := embed.StartEtcd(c.etcd())
	if err != nil {
		return fmt.Errorf("start etcd on %s: %w", dir, err)
	}
	defer server.Close()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-server.Server.StopNotify():
		return fmt.Errorf("etcd on %s stopped by itself; its log says why", dir)
	case err := <-server.Err():
		return fmt.Errorf("start etcd on %s: %w", dir, err)
	case <-server.Server.ReadyNotify():
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	// As etcd's own answer to a client: the database, and then its digest.
	s, sum := server.Server.Backend().Snapshot(), sha256.New()
	_, err = s.WriteTo(io.MultiWriter(f, sum))
	if err == nil {
		_, err = f.Write(sum.Sum(nil))
	}
	if err := errors.Join(err, s.Close(), f.Close()); err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	return nil
}

// checkDigest compares a copy with the digest at its end.
func checkDigest(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the copy: %w", err)
	}
	body := info.Size() - sha256.Size
	if body <= 0 || body%512 != 0 { // etcd's pages are multiples of a sector
		return fmt.Errorf("%s is no copy of an etcd, or was cut off", file)
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, f, body); err != nil {
		return fmt.Errorf("read the copy: %w", err)
	}
	want, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read the copy: %w", err)
	}
	if !bytes.Equal(want, sum.Sum(nil)) {
		return fmt.Errorf("%s was altered: it does not match the digest at its end", file)
	}
	return nil
}

// check opens a copy as a database, and looks at every page and key of it.
func check(file string) (c copied, err error) {
	if err := checkDigest(file); err != nil {
		return c, err
	}
	defer func() { // bbolt panics on some damage
		if r := recover(); r != nil {
			err = fmt.Errorf("%s is damaged: %v", file, r)
		}
	}()
	s, err := snapshot.NewV3(zap.NewNop()).Status(file)
	if err != nil {
		return c, fmt.Errorf("%s is damaged: %w", file, err)
	}
	return copied{Revision: s.Revision, Keys: s.TotalKey, Bytes: s.TotalSize}, nil
}

// restore makes the data directory of an etcd that begins with what is in a copy.
// The directory must not exist; if this fails, remove what is there of it.
func restore(file, dir string) error {
	wal.SegmentSizeBytes = walSegmentBytes
	e := config{dir: dir}.etcd()
	peers := make([]string, 0, len(e.AdvertisePeerUrls))
	for _, u := range e.AdvertisePeerUrls {
		peers = append(peers, u.String())
	}
	err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: file, OutputDataDir: dir,
		Name: e.Name, PeerURLs: peers, InitialCluster: e.InitialCluster, InitialClusterToken: e.InitialClusterToken,
		RevisionBump: revisionBump, MarkCompacted: true,
	})
	if err != nil {
		return fmt.Errorf("restore %s into %s: %w", file, dir, err)
	}
	return nil
}
