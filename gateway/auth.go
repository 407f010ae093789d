package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// organizationHeader chooses the organization in which a person acts.
const organizationHeader = "Marina-Organization"

type callerKey struct{}

// caller returns who sent the request. Only operations behind authenticate ask.
func caller(ctx context.Context) identity.Caller {
	return ctx.Value(callerKey{}).(identity.Caller)
}

// by is the caller as whoever changes something.
func by(ctx context.Context) postgres.By {
	c := caller(ctx)
	return postgres.By{Organization: c.Organization, Actor: c.Actor(), Address: address(ctx)}
}

// authenticate lets a request through that comes with the secret of a session or of a
// token, and refuses others.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	secret, err := s.credential(ctx)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	hash, ok := identity.SecretHash(secret)
	if !ok {
		s.refuse(ctx, identity.ErrBadToken)
		return
	}
	asked := postgres.Request{
		Secret: hash, Organization: organizationOf(ctx), Address: address(ctx.Context()), At: s.now(),
	}
	c, err := s.identity.Authenticate(ctx.Context(), asked)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	knownCaller(ctx.Context(), c)
	p := ctx.Operation().Metadata[permissionKey].(identity.Permission)
	still := func(ctx context.Context) error {
		asked.Organization, asked.Again, asked.At = c.Organization, true, s.now()
		c, err := s.identity.Authenticate(ctx, asked)
		if err != nil {
			return err
		}
		return permitted(c, p)
	}
	next(huma.WithValue(huma.WithValue(ctx, callerKey{}, c), stillKey{}, still))
}

// organizationOf is the organization that a request names. A browser's WebSocket cannot
// name it in a header.
func organizationOf(ctx huma.Context) tenant.OrganizationID {
	named := ctx.Header(organizationHeader)
	if named == "" && strings.EqualFold(ctx.Header("Upgrade"), "websocket") {
		named = ctx.Query("organization_id")
	}
	return tenant.OrganizationID(named)
}

type stillKey struct{}

// again returns an error when whoever sent a request that lasts may not send it any
// more. Only operations behind authenticate ask.
func again(ctx context.Context) error {
	return ctx.Value(stillKey{}).(func(context.Context) error)(ctx)
}

// credential is the secret that came with a request: as a bearer token, or in a
// browser's cookie.
func (s *server) credential(ctx huma.Context) (string, error) {
	if header := ctx.Header("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if secret = strings.TrimSpace(secret); !strings.EqualFold(scheme, "Bearer") || secret == "" {
			return "", identity.ErrNoCredentials
		}
		return secret, nil
	}
	cookie, err := huma.ReadCookie(ctx, s.cookieName())
	if err != nil || cookie.Value == "" {
		return "", identity.ErrNoCredentials
	}
	return cookie.Value, nil
}

// What an operation asks of its caller is noted where it is registered. Each of them
// goes through exactly one of needs, personal and anybody.
const (
	permissionKey = "permission" // of huma's metadata
	confirmedKey  = "confirmed"
	documentKey   = "x-marina-permission"

	forAnybody  identity.Permission = "-"        // a person or a program, whatever its role and scopes
	forPerson   identity.Permission = "person"   // who is logged in, about themselves
	forOperator identity.Permission = "operator" // who runs the installation, and is logged in
)

// needs says that the caller's role, and a token's scopes, must hold p.
func needs(p identity.Permission, op huma.Operation) huma.Operation {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	if op.Extensions == nil {
		op.Extensions = map[string]any{}
	}
	op.Metadata[permissionKey], op.Extensions[documentKey] = p, string(p)
	switch p {
	case forAnybody:
	case forOperator:
		op.Errors = append(op.Errors, http.StatusNotFound)
	default:
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
	return op
}

// anybody says that whoever is known may do it.
func anybody(op huma.Operation) huma.Operation { return needs(forAnybody, op) }

// personal says that it is a person's own matter: a token is given to a program, which
// is not to become the person.
func personal(op huma.Operation) huma.Operation { return needs(forPerson, op) }

// operators says that only who runs the installation may do it. For everybody else
// there is nothing at its address; a token of an operator is a program's.
func operators(op huma.Operation) huma.Operation { return needs(forOperator, op) }

// confirmed says that whoever does it must have proved lately that it is them.
func confirmed(op huma.Operation) huma.Operation {
	op.Metadata[confirmedKey], op.Extensions["x-marina-confirmation"] = true, true
	return op
}

// registered is what every operation behind authenticate gets.
func registered(op *huma.Operation) {
	if _, ok := op.Metadata[permissionKey].(identity.Permission); !ok {
		panic("gateway: " + op.OperationID + " does not say which permission it needs")
	}
	op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
}

// permit lets through who may do what the operation needs.
func (s *server) permit(ctx huma.Context, next func(huma.Context)) {
	c, op := caller(ctx.Context()), ctx.Operation()
	err := permitted(c, op.Metadata[permissionKey].(identity.Permission))
	if err == nil && op.Metadata[confirmedKey] != nil {
		err = c.Confirmed(s.now())
	}
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	next(ctx)
}

func permitted(c identity.Caller, p identity.Permission) error {
	switch {
	case p == forAnybody, p == forPerson && c.Session != "", p == forOperator && c.Operator, c.May(p):
		return nil
	case p == forOperator:
		return errNothingHere
	case p == forPerson:
		return identity.ErrNeedsSession
	case c.Organization == "":
		return fault.New(fault.Forbidden, "not_permitted", "You are not a member of any organization. Make one, or ask somebody to invite you.")
	case c.Token != "" && c.Role.Has(p):
		return fault.New(fault.Forbidden, "not_permitted", "This needs the permission "+string(p)+", which is not among the token's scopes.")
	}
	return fault.New(fault.Forbidden, "not_permitted", "This needs the permission "+string(p)+", which your role, "+string(c.Role)+
		", does not have. Ask an owner or an admin of the organization.")
}

// sameOrigin refuses what another site's page makes a browser send (cross-site request
// forgery): a browser sends its cookies along. Programs that are no browsers pass.
func (s *server) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.crossOrigin.Check(r); err != nil {
			writeProblem(w, newProblem(http.StatusForbidden, "cross_origin", "A browser sent this from another site's page. Use Marina's own console, or a token from a program."))
			return
		}
		next.ServeHTTP(w, r)
	})
}
