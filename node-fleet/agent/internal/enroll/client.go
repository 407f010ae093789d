package enroll

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/marina-cloud/marina/node-fleet/join"
)

const (
	requestTimeout = 20 * time.Second
	maxAnswer      = 1 << 20 // bytes; an answer is a few certificates
	firstPause     = 100 * time.Millisecond
	maxPause       = 10 * time.Second
)

// Client speaks the node API for one machine. It is not safe for concurrent use.
type Client struct {
	Dir    Dir
	Ticket string // path of the ticket's file; may be absent once the machine has joined
	Log    *slog.Logger
}

// Join returns the machine's node. A machine that has not joined joins, which is
// tried until it works or ctx ends; the ticket is read again for each try, since
// a new one may have been put in its place. Afterwards the ticket is removed.
func (c *Client) Join(ctx context.Context) (Node, error) {
	pause := firstPause
	for {
		n, err := c.tryJoin(ctx)
		if err == nil || ctx.Err() != nil {
			return n, err
		}
		c.Log.WarnContext(ctx, "join", "error", err, "again_in", pause)
		select {
		case <-ctx.Done():
			return Node{}, ctx.Err()
		case <-time.After(pause + rand.N(pause/2)): // jitter: a whole pool starts at once
		}
		pause = min(2*pause, maxPause)
	}
}

func (c *Client) tryJoin(ctx context.Context) (Node, error) {
	n, joined, err := c.Dir.Load()
	if err != nil {
		return Node{}, err
	}
	if !joined {
		if n, err = c.join(ctx); err != nil {
			return Node{}, err
		}
	}
	if err := os.Remove(c.Ticket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Node{}, fmt.Errorf("remove used ticket: %w", err)
	}
	return n, nil
}

func (c *Client) join(ctx context.Context) (Node, error) {
	ticket, err := readTicket(c.Ticket)
	if err != nil {
		return Node{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ticket.Authority)) {
		return Node{}, errors.New("ticket: its authority holds no certificate")
	}
	if err := os.MkdirAll(string(c.Dir), 0o700); err != nil {
		return Node{}, fmt.Errorf("make directory of state: %w", err)
	}
	if err := Write(c.Dir.Authority(), []byte(ticket.Authority), 0o600); err != nil {
		return Node{}, err
	}
	request := join.Request{Node: ticket.Node, Token: ticket.Token}
	// The identity key is on disk before the request: asked again with the same
	// token and the same key, after an answer got lost, the platform may answer.
	if request.PublicKey, err = publicKey(c.Dir.Identity().Key); err != nil {
		return Node{}, err
	}
	if request.BootstrapRequest, err = c.bootstrapKeys(); err != nil {
		return Node{}, err
	}
	n := Node{Gateway: ticket.Gateway, ServerName: ticket.ServerName}
	response, err := post(ctx, n, &tls.Config{RootCAs: roots}, join.PathJoin, request)
	if err != nil {
		return Node{}, err
	}
	n.Config = response.Config
	return n, c.Dir.save(n, response)
}

// Refresh asks once for fresh credentials, proving the machine's identity, and
// keeps them. Where the answer renews the identity certificate or the
// configuration, these are kept, too.
func (c *Client) Refresh(ctx context.Context, n Node) (Node, error) {
	roots, err := Roots(c.Dir.Authority())
	if err != nil {
		return n, err
	}
	request, err := c.bootstrapKeys()
	if err != nil {
		return n, err
	}
	config := &tls.Config{RootCAs: roots, GetClientCertificate: c.Dir.Identity().ClientCertificate}
	response, err := post(ctx, n, config, join.PathBootstrap, request)
	if err != nil {
		return n, err
	}
	if response.Config.NodeName != "" {
		n.Config = response.Config
	}
	return n, c.Dir.save(n, response)
}

func (c *Client) bootstrapKeys() (r join.BootstrapRequest, err error) {
	if r.KubeletKey, err = publicKey(c.Dir.Kubelet().Key); err != nil {
		return r, err
	}
	r.TunnelKey, err = publicKey(c.Dir.Tunnel().Key)
	return r, err
}

func readTicket(path string) (t join.Ticket, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return t, fmt.Errorf("read ticket: %w", err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("read ticket %s: it is not valid JSON", path) // the cause would quote its content
	}
	if t.Gateway == "" || t.ServerName == "" || t.Node == "" || t.Token == "" {
		return t, fmt.Errorf("read ticket %s: a field is missing", path)
	}
	return t, nil
}

// post sends a request to the node API of n's gateway.
func post(ctx context.Context, n Node, config *tls.Config, path string, request any) (r join.Response, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return r, fmt.Errorf("encode request: %w", err)
	}
	config.ServerName = n.ServerName
	config.MinVersion = tls.VersionTLS13
	transport := &http.Transport{
		TLSClientConfig:   config,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, n.Gateway) // the name need not be known to any DNS
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+n.ServerName+path, bytes.NewReader(body))
	if err != nil {
		return r, fmt.Errorf("ask %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return r, fmt.Errorf("ask %s at %s: %w", path, n.Gateway, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return r, fmt.Errorf("read answer of %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return r, fmt.Errorf("ask %s at %s: %s: %s", path, n.Gateway, resp.Status, detail(text))
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read answer of %s: it is not valid JSON", path)
	}
	return r, nil
}

// detail returns the human part of a problem (RFC 9457).
func detail(body []byte) string {
	var problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil {
		return "no explanation"
	}
	if problem.Detail != "" {
		return problem.Detail
	}
	return problem.Title
}
