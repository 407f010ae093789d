package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
)

// health asks the etcd that listens on the unix socket at path whether it can
// serve: it has a leader, no alarm (such as a database that is full) and answers
// a linearizable read. It returns nil, or what is wrong.
func health(ctx context.Context, path string) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	// The host is not looked up; the dialer above decides.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://etcd/health", nil)
	if err != nil {
		return fmt.Errorf("ask for etcd's health: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask for etcd's health: %w", err)
	}
	defer res.Body.Close()
	var answer struct {
		Health string `json:"health"` // "true" or "false"
		Reason string `json:"reason"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read etcd's health (HTTP %d): %w", res.StatusCode, err)
	}
	if answer.Health != "true" {
		return fmt.Errorf("etcd is not healthy: %s", answer.Reason)
	}
	return nil
}
