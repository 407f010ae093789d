//go:build integration

package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// keys is a store and an organization that has keys in it.
type keys struct {
	*postgres.Answers
	org tenant.OrganizationID
}

func newKeys(t *testing.T) keys {
	t.Helper()
	db := pgtest.New(t)
	u, _ := signUp(t, &postgres.Identity{DB: db}, "ada@example.com")
	return keys{&postgres.Answers{DB: db}, u.Organization}
}

func (k keys) claim(key, request string, after time.Duration) postgres.Claim {
	// A clock's nanoseconds are more than Postgres keeps.
	return postgres.Claim{Organization: k.org, Key: key, Request: hash(request), At: now.Add(after + 123*time.Nanosecond)}
}

// expect claims and checks what came of it.
func (k keys) expect(t *testing.T, c postgres.Claim, want postgres.Answer, why string) {
	t.Helper()
	got, err := k.Claim(t.Context(), c)
	if err != nil || got.Claimed != want.Claimed || got.Other != want.Other || got.Status != want.Status || string(got.Body) != string(want.Body) {
		t.Errorf("Claim = %+v, %v; want %+v: %s", got, err, want, why)
	}
}

func TestKeyIsKeptForADay(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	first := k.claim("k", "a", 0)
	k.expect(t, first, postgres.Answer{Claimed: true}, "the key is new")
	k.expect(t, k.claim("k", "a", time.Second), postgres.Answer{}, "the first request still runs")
	k.expect(t, k.claim("k", "b", time.Second), postgres.Answer{Other: true}, "the request is another one")
	k.expect(t, k.claim("l", "a", time.Second), postgres.Answer{Claimed: true}, "the key is another one")
	if err := k.Keep(t.Context(), first, 201, []byte("made\n")); err != nil {
		t.Fatal(err)
	}
	made := postgres.Answer{Status: 201, Body: []byte("made\n")}
	k.expect(t, k.claim("k", "a", time.Second), made, "the answer is replayed")
	k.expect(t, k.claim("k", "a", 24*time.Hour), made, "to the end of the day, though it runs no more")
	k.expect(t, k.claim("k", "b", time.Hour), postgres.Answer{Other: true, Status: 201, Body: made.Body}, "the request is another one")
	if err := k.Forget(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	k.expect(t, k.claim("k", "a", time.Second), made, "an answer that was given cannot be taken back")
	k.expect(t, k.claim("k", "b", 24*time.Hour+2*time.Second), postgres.Answer{Claimed: true}, "after a day the key is free")
	if n := count(t, k.DB, "SELECT count(*) FROM idempotency_keys"); n != 1 {
		t.Errorf("%d keys, want all but one expired", n)
	}
}

func TestKeyIsGivenBack(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	first := k.claim("k", "a", 0)
	k.expect(t, first, postgres.Answer{Claimed: true}, "the key is new")
	if err := k.Forget(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	k.expect(t, k.claim("k", "b", time.Second), postgres.Answer{Claimed: true}, "its request failed on our side")
}

// TestKeyOfACrash has a request that claims and is never heard of again, or late.
func TestKeyOfACrash(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	crashed := k.claim("k", "a", 0)
	k.expect(t, crashed, postgres.Answer{Claimed: true}, "the key is new")
	k.expect(t, k.claim("k", "a", time.Minute), postgres.Answer{}, "it may still be at work")
	second := k.claim("k", "a", time.Minute+time.Second)
	k.expect(t, second, postgres.Answer{Claimed: true}, "after a minute it is given up")

	if err := k.Keep(t.Context(), crashed, 409, []byte("late")); err != nil {
		t.Fatal(err)
	}
	if err := k.Forget(t.Context(), crashed); err != nil {
		t.Fatal(err)
	}
	k.expect(t, k.claim("k", "a", time.Minute+2*time.Second), postgres.Answer{}, "the key is the second's, whatever the first does late")
	if err := k.Keep(t.Context(), second, 201, []byte("made")); err != nil {
		t.Fatal(err)
	}
	k.expect(t, k.claim("k", "a", time.Hour), postgres.Answer{Status: 201, Body: []byte("made")}, "the second's answer counts")
}

func TestKeysOfOrganizationsAreApart(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	eve, _ := signUp(t, &postgres.Identity{DB: k.DB}, "eve@example.com")
	hers := keys{k.Answers, eve.Organization}
	k.expect(t, k.claim("k", "a", 0), postgres.Answer{Claimed: true}, "the key is new")
	mine := hers.claim("k", "b", 0)
	hers.expect(t, mine, postgres.Answer{Claimed: true}, "the other's key of this name does not count")
	if err := hers.Keep(t.Context(), mine, 201, nil); err != nil {
		t.Fatal(err)
	}
	k.expect(t, k.claim("k", "a", time.Second), postgres.Answer{}, "nor does the other's answer")
	hers.expect(t, hers.claim("x", "b", 25*time.Hour), postgres.Answer{Claimed: true}, "one's expiry")
	if n := count(t, k.DB, "SELECT count(*) FROM idempotency_keys"); n != 2 {
		t.Errorf("%d keys: expiry of one organization's keys left %d of the other's", n, n-1)
	}
}

func TestKeyAtOnce(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	const many = 30
	claimed := make(chan struct{}, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			a, err := k.Claim(t.Context(), k.claim("k", "a", time.Duration(i)*time.Millisecond))
			if err != nil || a.Other || a.Status != 0 {
				t.Errorf("Claim = %+v, %v", a, err)
			}
			if a.Claimed {
				claimed <- struct{}{}
			}
		})
	}
	all.Wait()
	if len(claimed) != 1 {
		t.Errorf("%d requests claimed one key", len(claimed))
	}
}
