package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/deploy/client"
)

func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &client.Client{Server: s.URL + "/", Token: "secret"}
}

func TestErrorsAreForAPerson(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"status":422,"code":"invalid","detail":"The request is not valid.","errors":[{"location":"body.name","message":"is too long"},{"location":"body.version","message":"is unknown"}]}`)
	})
	_, err := c.CreateCluster(t.Context(), client.NewCluster{Name: "x"})
	want := "The request is not valid.\n  name: is too long\n  version: is unknown"
	if err == nil || err.Error() != want || !client.IsCode(err, "invalid") || client.IsCode(err, "other") {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestSomethingElseAnswers(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	if _, err := c.Clusters(t.Context()); err == nil || !strings.Contains(err.Error(), "is it Marina's API?") {
		t.Errorf("error: %v", err)
	}
}

func TestListsAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("authorization %q", got)
		}
		answer := map[string]any{"items": []map[string]string{{"id": "kc-1"}}, "next_cursor": "more"}
		if r.URL.Query().Get("cursor") == "more" {
			answer = map[string]any{"items": []map[string]string{{"id": "kc-2", "name": "two"}}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	clusters, err := c.Clusters(t.Context())
	if err != nil || len(clusters) != 2 || clusters[1].ID != "kc-2" {
		t.Errorf("clusters %v, %v", clusters, err)
	}
	if k, err := c.FindCluster(t.Context(), "two"); err != nil || k.ID != "kc-2" {
		t.Errorf("FindCluster: %v, %v", k, err)
	}
	if _, err := c.FindCluster(t.Context(), "three"); err == nil || !strings.Contains(err.Error(), `no cluster "three"`) {
		t.Errorf("FindCluster of none: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, err := (&client.Client{Server: s.URL}).Clusters(t.Context())
	want := "Marina does not answer at " + s.URL + ": connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, ok := errors.AsType[*client.Unreachable](err); !ok || !client.IsTransient(err) {
		t.Errorf("error %#v is not of a server that may come back", err)
	}
}

func TestAnInterruptIsNoOutage(t *testing.T) {
	t.Parallel()
	c := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Clusters(ctx); !errors.Is(err, context.Canceled) || client.IsTransient(err) {
		t.Errorf("error: %v", err)
	}
}

func TestIsTransient(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{400: false, 404: false, 409: false, 500: true, 503: true} {
		if err := fmt.Errorf("ask: %w", &client.Problem{Status: status}); client.IsTransient(err) != want {
			t.Errorf("status %d is transient: %t, want %t", status, !want, want)
		}
	}
	if client.IsTransient(errors.New("something else")) {
		t.Error("any error is transient")
	}
}

// TestARedirectionIsNotFollowed: it may lead a password to somewhere else.
func TestARedirectionIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the password went elsewhere") }))
	t.Cleanup(elsewhere.Close)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, err := c.LogIn(t.Context(), "a@example.com", "secret", ""); err == nil || !strings.Contains(err.Error(), elsewhere.URL) {
		t.Errorf("error: %v", err)
	}
}
