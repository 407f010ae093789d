package gateway

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/gateway/internal/throttle"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Rate is how many requests come back each second, and how many may come at once.
type Rate = throttle.Rate

// Limits are what one client may take of the API. A field that is zero has the
// default that it mentions.
type Limits struct {
	Requests     int  // worked on at once: shared out between addresses, and again between organizations; default 256
	Address      Rate // of all requests from one address, whoever sends them; default 100, 1000 at once
	Organization Rate // of an organization's requests; default 50, 500 at once

	// Attempts to sign up or log in. Passwords are hashed slowly on purpose.
	Attempts Rate // from one address; default one in three seconds, 20 at once
	Failures Rate // for one account from one address; default two in a minute, 10 at once
	Strange  Rate // for one account from all addresses from which nobody has logged in to it; default one in 20 seconds, 50 at once
	Letters  Rate // mails to one e-mail address, which anybody may ask for; default one in two minutes, 5 at once
	Codes    Rate // of a second factor, for one account from anywhere, by who knows its password; default one in two minutes, 10 at once
	Hashing  int  // waiting for their turn, shared out between addresses; default 32
}

func (l Limits) withDefaults() Limits {
	l.Requests, l.Hashing = cmp.Or(l.Requests, 256), cmp.Or(l.Hashing, 32)
	l.Address = cmp.Or(l.Address, Rate{PerSecond: 100, Burst: 1000})
	l.Organization = cmp.Or(l.Organization, Rate{PerSecond: 50, Burst: 500})
	l.Attempts = cmp.Or(l.Attempts, Rate{PerSecond: 1. / 3, Burst: 20})
	l.Failures = cmp.Or(l.Failures, Rate{PerSecond: 1. / 30, Burst: 10})
	l.Strange = cmp.Or(l.Strange, Rate{PerSecond: 1. / 20, Burst: 50})
	l.Letters = cmp.Or(l.Letters, Rate{PerSecond: 1. / 120, Burst: 5})
	l.Codes = cmp.Or(l.Codes, Rate{PerSecond: 1. / 120, Burst: 10})
	return l
}

// remembered is of how many clients the rates are known: a hundred bytes each.
const remembered = 20_000

// limits hold what clients take at the moment.
type limits struct {
	addressPlaces      *throttle.Places[netip.Prefix]
	organizationPlaces *throttle.Places[tenant.OrganizationID]
	addresses          *throttle.Rates[netip.Prefix]
	organizations      *throttle.Rates[tenant.OrganizationID]
	terminals          *throttle.Places[tenant.UserID]
	streams            *throttle.Places[tenant.OrganizationID]
}

func newLimits(l Limits) *limits {
	return &limits{
		addressPlaces:      throttle.NewPlaces[netip.Prefix](l.Requests),
		organizationPlaces: throttle.NewPlaces[tenant.OrganizationID](l.Requests),
		addresses:          throttle.NewRates[netip.Prefix](l.Address, remembered),
		organizations:      throttle.NewRates[tenant.OrganizationID](l.Organization, remembered),
		terminals:          throttle.NewPlaces[tenant.UserID](maxTerminals),
		streams:            throttle.NewPlaces[tenant.OrganizationID](maxStreams),
	}
}

// admit comes before all that takes time: it costs no more than two look-ups in
// memory to turn a request away.
func (s *server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := origin(r.Context())
		left, ok := s.limits.addresses.Take(from, s.now())
		if !ok {
			writeProblem(w, tooMany(left.Wait, "More requests come from your address than one may send."))
			return
		}
		leave, ok := s.limits.addressPlaces.Enter(from)
		if !ok {
			writeProblem(w, tooMany(time.Second, "Too many requests from your address are being worked on."))
			return
		}
		defer occupies(r.Context(), leave)()
		next.ServeHTTP(w, r)
	})
}

// share bounds what one organization takes, from however many addresses and with
// however many tokens, and says what is left of it (draft-ietf-httpapi-ratelimit-headers).
func (s *server) share(ctx huma.Context, next func(huma.Context)) {
	_, w := humachi.Unwrap(ctx)
	c := caller(ctx.Context())
	// Who is a member of no organization counts as one of their own.
	org := cmp.Or(c.Organization, tenant.OrganizationID(c.User))
	rates := s.limits.organizations
	left, ok := rates.Take(org, s.now())
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"organization";q=%d;w=%d`, rates.Rate().Burst, rates.Rate().Window()))
	w.Header().Set("RateLimit", fmt.Sprintf(`"organization";r=%d;t=%d`, left.Tokens, seconds(left.Full)))
	if !ok {
		writeProblem(w, tooMany(left.Wait, "Your organization sends more requests than it may."))
		return
	}
	leave, ok := s.limits.organizationPlaces.Enter(org)
	if !ok {
		writeProblem(w, tooMany(time.Second, "Too many requests of your organization are being worked on."))
		return
	}
	defer occupies(ctx.Context(), leave)()
	next(ctx)
}

// describeLimits says in OpenAPI which headers tell how much is left, and when to come
// again.
func describeLimits(_ *huma.OpenAPI, op *huma.Operation) {
	header := func(kind, about, example string) *huma.Header {
		return &huma.Header{Description: about, Schema: &huma.Schema{Type: kind}, Example: example}
	}
	for status, r := range op.Responses {
		if r.Headers == nil {
			r.Headers = map[string]*huma.Param{}
		}
		if status == strconv.Itoa(http.StatusTooManyRequests) {
			r.Headers["Retry-After"] = header(huma.TypeInteger, "Seconds after which to send the request again.", "3")
		}
		if len(op.Security) > 0 { // it is answered after share
			r.Headers["RateLimit-Policy"] = header(huma.TypeString, "How many requests the organization may send at once (q), and in how many seconds all of them come back (w).", `"organization";q=500;w=10`)
			r.Headers["RateLimit"] = header(huma.TypeString, "How many requests are left to the organization (r), and in how many seconds all of them will be (t).", `"organization";r=497;t=1`)
		}
	}
}

// tooMany is the problem of somebody who has to wait.
func tooMany(wait time.Duration, why string) *Problem {
	after := max(1, seconds(wait))
	p := newProblem(http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf("%s Wait %d s and send it again.", why, after))
	p.retryAfter = after
	return p
}

// seconds rounds up: who comes a moment too early is turned away again.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
