package podnet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
)

// API is how the cluster's API server is asked, with plain HTTP: a client
// library would be half of the agent.
type API struct {
	Address    string // host:port of the gateway
	ServerName string // of the API server
	Authority  string // file
	Client     enroll.Pair
	Log        *slog.Logger
}

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	// watchTime is how long the API server lets a watch last.
	watchTime = 5 * time.Minute
	maxList   = 64 << 20 // bytes
)

// errExpired says that the API server no longer knows what happened since the
// version that was asked for (HTTP status 410); a new list helps.
var errExpired = errors.New("resource version is too old")

// Watch calls changed with all nodes, now and after every change, until ctx ends.
// It reconnects by itself; meanwhile what it last said stays. The map is the
// callee's.
func (a API) Watch(ctx context.Context, changed func(Nodes)) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := a.follow(ctx, changed)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxPause {
			pause = firstPause
		}
		a.Log.WarnContext(ctx, "watch nodes", "error", err, "again_in", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause + rand.N(pause/2)):
		}
		pause = min(2*pause, maxPause)
	}
}

// follow lists all nodes and then follows changes until something fails.
func (a API) follow(ctx context.Context, changed func(Nodes)) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	nodes, version, err := list(ctx, client, a.base())
	if err != nil {
		return err
	}
	changed(maps.Clone(nodes))
	for {
		version, err = watch(ctx, client, a.base(), version, func(kind string, n Node) {
			if kind == "DELETED" {
				delete(nodes, n.Name)
			} else {
				nodes[n.Name] = n
			}
			changed(maps.Clone(nodes))
		})
		if err != nil {
			return err
		}
	}
}

func (a API) base() string { return "https://" + a.ServerName + "/api/v1/nodes" }

func (a API) client() (*http.Client, error) {
	roots, err := enroll.Roots(a.Authority)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs:              roots,
			ServerName:           a.ServerName,
			GetClientCertificate: a.Client.ClientCertificate,
			MinVersion:           tls.VersionTLS12,
		},
		ForceAttemptHTTP2: true,
		// A connection that died without a word is found out by a ping.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: 10 * time.Second}
			return d.DialContext(ctx, network, a.Address)
		},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	}}, nil
}

// object is a Node as the API server writes it, as far as it matters here.
type object struct {
	Metadata struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Spec struct {
		PodCIDRs []string `json:"podCIDRs"`
	} `json:"spec"`
	Status struct {
		Addresses []struct{ Type, Address string } `json:"addresses"`
	} `json:"status"`
}

func (o object) node() Node {
	n := Node{Name: o.Metadata.Name}
	for _, a := range o.Status.Addresses {
		if addr, err := netip.ParseAddr(a.Address); a.Type == "InternalIP" && err == nil && addr.Is4() && !n.Address.IsValid() {
			n.Address = addr
		}
	}
	for _, text := range o.Spec.PodCIDRs {
		if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Is4() && !n.Pods.IsValid() {
			n.Pods = p.Masked()
		}
	}
	return n
}

func list(ctx context.Context, client *http.Client, base string) (Nodes, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body, err := get(ctx, client, base+"?resourceVersion=0")
	if err != nil {
		return nil, "", fmt.Errorf("list nodes: %w", err)
	}
	defer body.Close()
	var answer struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []object `json:"items"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxList)).Decode(&answer); err != nil {
		return nil, "", fmt.Errorf("list nodes: %w", err)
	}
	nodes := make(Nodes, len(answer.Items))
	for _, item := range answer.Items {
		nodes[item.Metadata.Name] = item.node()
	}
	return nodes, answer.Metadata.ResourceVersion, nil
}

// watch calls event for each change since version, and returns the version it
// came to, with a nil error when the API server ended the watch in order.
func watch(ctx context.Context, client *http.Client, base, version string, event func(kind string, n Node)) (string, error) {
	query := url.Values{
		"watch":               {"true"},
		"resourceVersion":     {version},
		"allowWatchBookmarks": {"true"},
		"timeoutSeconds":      {fmt.Sprint(int(watchTime.Seconds()))},
	}
	body, err := get(ctx, client, base+"?"+query.Encode())
	if err != nil {
		return version, fmt.Errorf("watch nodes: %w", err)
	}
	defer body.Close()
	for events := json.NewDecoder(body); ; {
		var e struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		err := events.Decode(&e)
		if errors.Is(err, io.EOF) {
			return version, nil
		}
		if err != nil {
			return version, fmt.Errorf("watch nodes: %w", err)
		}
		if e.Type == "ERROR" {
			return version, watchError(e.Object)
		}
		var o object
		if err := json.Unmarshal(e.Object, &o); err != nil {
			return version, fmt.Errorf("watch nodes: %w", err)
		}
		version = o.Metadata.ResourceVersion
		if e.Type != "BOOKMARK" {
			event(e.Type, o.node())
		}
	}
}

func watchError(status json.RawMessage) error {
	var s struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(status, &s); err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	if s.Code == http.StatusGone {
		return errExpired
	}
	return fmt.Errorf("watch nodes: %s", s.Message)
}

func get(ctx context.Context, client *http.Client, target string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusGone:
		err = errExpired
	default:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // best effort: it explains the status
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	resp.Body.Close()
	return nil, err
}
