package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
)

// AuditView is one line of the audit log.
type AuditView struct {
	ID       string         `json:"id" example:"01k9xw3e5v8m2q4r6t8y0a1b2c"`
	At       time.Time      `json:"at"`
	Actor    string         `json:"actor" doc:"Who did it: a person, a token, or marina." example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Email    string         `json:"email" doc:"The person's address, also when it was their token; empty where there is none." example:"ada@example.com"`
	Action   string         `json:"action" example:"cluster.create"`
	Resource string         `json:"resource" doc:"The id of what was changed." example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Address  string         `json:"address" doc:"From where; empty where there is none." example:"203.0.113.9"`
	Details  map[string]any `json:"details" doc:"What belongs to the action. Never a secret."`
}

func viewAudit(e postgres.AuditEntry) AuditView {
	return AuditView{ID: e.ID, At: e.At.UTC(), Actor: e.Actor, Email: e.Email, Action: e.Action, Resource: e.Subject, Address: e.Address, Details: e.Detail}
}

// AuditInput is what of the audit log somebody wants to see.
type AuditInput struct {
	Actor    string    `query:"actor" maxLength:"254" pattern:"^[ -~]*$" doc:"The id of a person or a token; or an e-mail address, for a person with their tokens." example:"ada@example.com"`
	Action   string    `query:"action" maxLength:"100" pattern:"^[ -~]*$" doc:"One action, or the beginning of several: cluster is for cluster.create, too." example:"cluster"`
	Resource string    `query:"resource" maxLength:"100" pattern:"^[ -~]*$" doc:"The id of what was changed." example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Since    time.Time `query:"since" doc:"Nothing older than this." example:"2026-11-26T10:00:00Z"`
	Until    time.Time `query:"until" doc:"Only what is older than this." example:"2026-11-27T10:00:00Z"`
}

func (in AuditInput) query() postgres.AuditQuery {
	return postgres.AuditQuery{Actor: in.Actor, Action: in.Action, Subject: in.Resource, Since: in.Since, Until: in.Until}
}

func (s *server) registerAudit(api huma.API) {
	const tag = "Audit log"
	huma.Register(api, needs(identity.AuditRead, operation("listAudit", http.MethodGet, "/v1/audit", tag,
		"List who changed what in the organization, the newest first", http.StatusOK, 401)), s.listAudit)
	export := needs(identity.AuditRead, operation("exportAudit", http.MethodGet, "/v1/audit/export", tag,
		"Get the audit log as a file, the newest first", http.StatusOK, 401))
	export.Description = "As CSV (RFC 4180) with a header, or as JSON Lines (application/jsonl): one object of listAudit per line. " +
		"In CSV a cell that a spreadsheet would take for a formula begins with an apostrophe."
	huma.Register(api, documented(export, mediaCSV, &huma.Schema{Type: huma.TypeString}), s.exportAudit)
}

func (s *server) listAudit(ctx context.Context, in *struct {
	AuditInput
	PageInput
}) (*pageOutput[AuditView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.audit.Entries(ctx, caller(ctx).Organization, in.query(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(e postgres.AuditEntry) string { return e.ID }, viewAudit), nil
}
