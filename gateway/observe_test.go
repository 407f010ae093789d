//go:build integration

package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestClusterMetrics(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	got := a.do(t, "GET", "/v1/clusters/"+string(c.ID)+"/metrics", "", ada.bearer()...)
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain; version=0.0.4") || !strings.Contains(got.body, "marina_cluster_up") {
		t.Errorf("metrics: %d %v %s", got.status, got.header, got.body)
	}
}

func TestClusterLogs(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(c.ID) + "/logs"
	for query, want := range map[string]string{
		"": "apiserver 500 0001-01-01T00:00:00Z\n",
		"?component=audit&tail=7&since=2026-11-26T10:00:00Z": "audit 7 2026-11-26T10:00:00Z\n",
	} {
		if got := a.do(t, "GET", path+query, "", ada.bearer()...); got.status != http.StatusOK || got.body != want {
			t.Errorf("logs%s: %d %q, want %q", query, got.status, got.body, want)
		}
	}
	for query, field := range map[string]string{
		"?component=kubelet": "query.component", "?tail=10001": "query.tail", "?tail=-1": "query.tail", "?since=yesterday": "query.since", "?lines=1": "query.lines",
	} {
		a.do(t, "GET", path+query, "", ada.bearer()...).errorsAt(t, field)
	}
}

// TestFollowedLogs holds that lines come when they are written, and that the reader
// is noticed to leave.
func TestFollowedLogs(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", a.server.URL+"/v1/clusters/"+string(c.ID)+"/logs?follow=true&component=etcd", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", ada.bearer()[1])
	resp, err := a.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"etcd 500 0001-01-01T00:00:00Z", "news"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %q (%v), want %q while the log is followed", lines.Text(), lines.Err(), want)
		}
	}
	leave()
	for deadline := time.Now().Add(time.Minute); a.left.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody noticed that the reader left")
		}
		a.do(t, "GET", "/healthz", "")
	}
	if got := a.do(t, "HEAD", "/v1/clusters/"+string(c.ID)+"/logs?follow=true", "", ada.bearer()...); got.status != http.StatusOK {
		t.Errorf("HEAD of a followed log: %d", got.status)
	}
}
