//go:build integration

package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const replayed = "Idempotency-Replayed"

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	post := func(who account, key, body string) answer {
		return a.do(t, "POST", "/v1/clusters", body, append(who.bearer(), "Idempotency-Key", key)...)
	}
	first := post(ada, "k", `{"name":"a"}`)
	first.decode(t, http.StatusCreated, &resource{})
	again := post(ada, "k", `{"name":"a"}`)
	if again.status != first.status || again.body != first.body || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("replayed %d %s, first %d %s", again.status, again.body, first.status, first.body)
	}
	if first.header.Get(replayed) != "" || again.header.Get(replayed) != "true" {
		t.Errorf("%s: %q, then %q", replayed, first.header.Get(replayed), again.header.Get(replayed))
	}
	post(ada, "k", `{"name":"b"}`).problem(t, 422, "idempotency_key_reused")
	c, _, _ := a.populate(ada.Organization, 0)
	a.do(t, "POST", "/v1/clusters/"+string(c.ID)+"/node-pools", `{"name":"a"}`, append(ada.bearer(), "Idempotency-Key", "k")...).problem(t, 422, "idempotency_key_reused")

	// Another organization has keys of its own.
	hers := post(eve, "k", `{"name":"a"}`)
	hers.decode(t, http.StatusCreated, &resource{})
	if hers.body == first.body || hers.header.Get(replayed) != "" {
		t.Errorf("another organization was answered %s", hers.body)
	}
	for who, first := range map[*account]answer{&ada: first, &eve: hers} {
		if again := post(*who, "k", `{"name":"a"}`); again.body != first.body || again.header.Get(replayed) != "true" {
			t.Errorf("where another organization has the same key, replayed %s, first %s", again.body, first.body)
		}
	}

	// A refusal is an answer, too.
	taken := post(ada, "taken", `{"name":"a"}`)
	taken.problem(t, http.StatusConflict, "cluster_name_taken")
	again = post(ada, "taken", `{"name":"a"}`)
	again.problem(t, http.StatusConflict, "cluster_name_taken")
	if again.body != taken.body || again.header.Get(replayed) != "true" {
		t.Errorf("replayed %s, first %s", again.body, taken.body)
	}

	post(ada, strings.Repeat("k", 200), `{"name":"long"}`).decode(t, http.StatusCreated, &resource{})
	post(ada, strings.Repeat("k", 201), `{"name":"longer"}`).problem(t, 422, "idempotency_key_long")
	post(ada, "caf\xe9", `{"name":"latin"}`).problem(t, 422, "idempotency_key_malformed")
	post(ada, "", `{"name":"none"}`).decode(t, http.StatusCreated, &resource{})
	a.do(t, "POST", "/v1/clusters", `{"name":"x"}`, "Idempotency-Key", "k").problem(t, http.StatusUnauthorized, "no_credentials")

	// An answer with a secret is not kept.
	for range 2 {
		got := a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, append(ada.bearer(), "Idempotency-Key", "token")...)
		if got.decode(t, http.StatusCreated, &token{}); got.header.Get(replayed) != "" {
			t.Error("a token's secret was kept and shown again")
		}
	}
}

func TestIdempotencyKeyOfAFailure(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	headers := append(ada.bearer(), "Idempotency-Key", "k")
	for _, f := range []func(context.Context) error{
		func(context.Context) error { return errors.New("boom") },
		func(context.Context) error { panic("boom") },
	} {
		a.before = f
		a.do(t, "POST", "/v1/clusters", `{"name":"a"}`, headers...).problem(t, http.StatusInternalServerError, "internal")
	}
	a.before = nil
	got := a.do(t, "POST", "/v1/clusters", `{"name":"a"}`, headers...)
	got.decode(t, http.StatusCreated, &resource{})
	if got.header.Get(replayed) != "" {
		t.Error("a failure of ours was kept")
	}
}

// TestIdempotencyKeyAtOnce has one creation wait while others come with its key.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	running, release := make(chan struct{}), make(chan struct{})
	a.before = func(context.Context) error {
		close(running) // a second creation would panic here
		<-release
		return nil
	}
	post := func() answer {
		return a.do(t, "POST", "/v1/clusters", `{"name":"a"}`, append(ada.bearer(), "Idempotency-Key", "k")...)
	}
	first := make(chan answer, 1)
	go func() { first <- post() }()
	<-running
	for range 3 {
		post().problem(t, http.StatusConflict, "idempotency_key_running")
	}
	close(release)
	made := <-first
	made.decode(t, http.StatusCreated, &resource{})

	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			// The first's answer is kept a moment after it was sent.
			if got := post(); got.body != made.body && !strings.Contains(got.body, "idempotency_key_running") {
				t.Errorf("answered %s, first %s", got.body, made.body)
			}
		})
	}
	all.Wait()

	a.before = nil
	created := make(chan string, 20)
	for range 20 {
		all.Go(func() {
			got := a.do(t, "POST", "/v1/clusters", `{"name":"b"}`, append(ada.bearer(), "Idempotency-Key", "race")...)
			if got.status == http.StatusCreated && got.header.Get(replayed) == "" {
				created <- got.body
			}
		})
	}
	all.Wait()
	if len(created) != 1 || len(a.clusters) != 2 {
		t.Errorf("%d creations, %d clusters; want one more than the first", len(created), len(a.clusters))
	}
}
