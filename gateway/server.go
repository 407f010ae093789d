package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/openid"
	"github.com/marina-cloud/marina/gateway/internal/passkey"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/gateway/live"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/migrations/pg"
)

// Deps is what the gateway needs.
type Deps struct {
	DB        *pg.DB
	Clusters  Clusters
	Workloads Workloads
	Fleet     Fleet
	Prices    Prices
	Secrets   seal.Store
	Live      *live.Hub     // tells streams what changed; nil: they only look now and then
	Kubectl   func() string // the router's address as kubeconfigs name it: https://HOST:PORT
	Log       *slog.Logger
	Version   string // of Marina
	// TrustedProxies are the networks of proxies in front of the API, which say in
	// X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// PublicURL is where people's browsers reach Marina; cookies are secure when it is
	// an https URL.
	PublicURL string
	Providers []Provider // with which people log in
	Limits    Limits
	// Installation is what operators see.
	Installation Installation
	HTTP         *metrics.HTTP // nil: nobody counts
}

// server holds what the operations share.
type server struct {
	Deps
	identity  *postgres.Identity
	answers   *postgres.Answers
	mails     *postgres.MailQueue
	audit     *postgres.AuditLog
	passwords *identity.Passwords
	providers []*openid.Provider
	passkeys  *passkey.Site // nil: Marina is reached by an address
	limits    *limits
	attempts  *attempts
	now       func() time.Time

	crossOrigin *http.CrossOriginProtection
}

// New returns the handler of the whole API. It is safe for concurrent use.
func New(d Deps) http.Handler {
	l := d.Limits.withDefaults()
	if d.Live == nil {
		d.Live = &live.Hub{}
	}
	s := &server{
		Deps:      d,
		identity:  &postgres.Identity{DB: d.DB},
		answers:   &postgres.Answers{DB: d.DB},
		mails:     &postgres.MailQueue{DB: d.DB, Secrets: d.Secrets},
		audit:     &postgres.AuditLog{DB: d.DB},
		passwords: identity.NewPasswords(max(1, int64(runtime.GOMAXPROCS(0)/2))), // the other half is everybody's
		limits:    newLimits(l),
		providers: openProviders(d.Providers, d.PublicURL),
		attempts:  newAttempts(l),
		now:       time.Now,

		crossOrigin: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(d.PublicURL); err == nil && u.Host != "" { // a proxy in front may name another host
		_ = s.crossOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host) // an origin, by its making
	}
	if site, err := passkey.New(d.PublicURL); err == nil {
		s.passkeys = site
	}
	mux := chi.NewMux()
	mux.Use(s.locate, s.begin, secureHeaders, s.recoverPanics, s.admit, plainPath, s.sameOrigin, middleware.GetHead)
	mux.NotFound(notFound)
	mux.MethodNotAllowed(methodNotAllowed(mux))
	mux.Get("/healthz", s.health)

	api := humachi.New(mux, config(d.Version))
	public := huma.NewGroup(api)
	public.UseMiddleware(s.readBody, s.device, s.flow)
	s.registerSignUp(public)
	s.registerLogIn(public)
	s.registerPasskeyLogIn(public)
	s.registerForgotten(public)
	s.registerOpenIDLogIn(public)
	s.registerOptions(public)
	s.registerIssuer(public)
	private := huma.NewGroup(api)
	private.UseMiddleware(s.authenticate, s.share, s.permit, s.readBody, s.flow)
	private.UseSimpleModifier(registered)
	s.registerAccount(private)
	s.registerPassword(private)
	s.registerSessions(private)
	s.registerConfirm(private)
	s.registerTOTP(private)
	s.registerPasskeys(private)
	s.registerIdentities(private)
	s.registerTokens(private)
	s.registerOrganizations(private)
	s.registerMembers(private)
	s.registerInvitations(private)
	s.registerInvited(public, private)
	s.registerAudit(private)
	s.registerClusters(private)
	s.registerNetworks(private)
	s.registerCredentials(private)
	s.registerAuthentication(private)
	s.registerEvents(private)
	s.registerOverview(private)
	s.registerOperator(private)
	s.registerStream(private)
	s.registerTerminal(private)
	s.registerWorkloads(private)
	s.registerObserve(private)
	s.registerPools(private)
	s.registerNodes(private)
	s.registerMails(private)
	mux.Get("/openapi.json", s.describe("application/openapi+json", func() ([]byte, error) { return json.Marshal(api.OpenAPI()) }))
	mux.Get("/openapi.yaml", s.describe("application/openapi+yaml", api.OpenAPI().YAML))
	return mux
}

func config(version string) huma.Config {
	c := huma.DefaultConfig("Marina", version)
	c.Info.Description = "Managed Kubernetes: organizations, clusters, node pools and nodes. " +
		"A long operation answers at once with the resource in a transient phase; poll it, or its events. " +
		"Lists come in pages. Errors are RFC 9457 problems that name every wrong field."
	c.CreateHooks = nil // no $schema fields in bodies
	c.OnAddOperation = append(c.OnAddOperation, describeLimits)
	c.DocsPath = "" // a page that loads scripts from elsewhere
	c.SchemasPath = ""
	c.OpenAPIPath = "" // made without a lock: see describe
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: readJSON}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "The secret of a session (/v1/login) or of a token (/v1/tokens)."},
		"session": {Type: "apiKey", In: "cookie", Name: "marina_session", Description: "A browser's session; its name begins with __Host- where Marina is served by HTTPS."},
	}
	return c
}

// operation returns what all operations have in common. problems are the
// statuses of its own; those of reading a body are added.
func operation(id, method, path, tag, summary string, status int, problems ...int) huma.Operation {
	if method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		problems = append(problems, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag}, DefaultStatus: status,
		Errors:       append(problems, http.StatusTooManyRequests, http.StatusServiceUnavailable),
		MaxBodyBytes: -1, BodyReadTimeout: -1, // readBody bounds both
	}
}

// document is an answer that is not one of our resources.
type document struct {
	ContentType  string `header:"Content-Type" hidden:"true"` // the content's key in OpenAPI
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

// documented says in OpenAPI that an operation answers a document.
func documented(op huma.Operation, mediaType string, schema *huma.Schema) huma.Operation {
	op.Responses = map[string]*huma.Response{strconv.Itoa(op.DefaultStatus): {
		Content: map[string]*huma.MediaType{mediaType: {Schema: schema}},
	}}
	return op
}

// describe answers the API's description, which is made once.
func (s *server) describe(mediaType string, encode func() ([]byte, error)) http.HandlerFunc {
	encoded := sync.OnceValues(encode)
	return func(w http.ResponseWriter, r *http.Request) {
		data, err := encoded()
		if err != nil {
			writeProblem(w, s.failed(r.Context(), fmt.Errorf("encode OpenAPI document: %w", err)))
			return
		}
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(data)
	}
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.DB.Ping(ctx); err != nil {
		writeProblem(w, s.failed(r.Context(), err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}
