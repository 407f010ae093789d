package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// MailView is a mail that Marina wrote to a person.
type MailView struct {
	ID           string     `json:"id" example:"mail-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Organization string     `json:"organization_id,omitempty" doc:"That caused it; absent where a person did." example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	To           string     `json:"to" example:"ada@example.com"`
	Subject      string     `json:"subject" example:"Finish signing up to Marina"`
	Text         string     `json:"text,omitempty" doc:"Of one mail, where this installation has no mail server and keeps mails for you to pass on."`
	State        string     `json:"state" enum:"waiting,sent,failed"`
	Attempts     int        `json:"attempts" doc:"How often delivery has failed."`
	LastError    string     `json:"last_error" doc:"Why it failed last."`
	CreatedAt    time.Time  `json:"created_at"`
	EndedAt      *time.Time `json:"ended_at,omitempty" doc:"When it was sent, or given up."`
}

func viewMail(m identity.Mail) MailView {
	return MailView{string(m.ID), string(m.Organization), m.To, m.Subject, m.Text, m.State, m.Attempts, m.LastError, m.CreatedAt, m.EndedAt}
}

func (s *server) registerMails(api huma.API) {
	const tag = "Operator"
	list := operators(operation("listMails", http.MethodGet, "/v1/operator/mails", tag, "List the mails of all organizations, the newest first", http.StatusOK, 401))
	list.Description = "Mails are listed for 30 days."
	huma.Register(api, list, s.listMails)
	one := operators(operation("getMail", http.MethodGet, "/v1/operator/mails/{mail_id}", tag, "Get a mail", http.StatusOK, 401))
	one.Description = "With its text, where this installation has no mail server: it keeps the last thousand mails, for the operator to pass on."
	huma.Register(api, one, s.getMail)
}

func (s *server) listMails(ctx context.Context, in *struct {
	To string `query:"to" maxLength:"254" pattern:"^[ -~]*$" doc:"Only those to this address." example:"ada@example.com"`
	PageInput
}) (*pageOutput[MailView], error) {
	before, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.mails.Mails(ctx, identity.NormalEmail(in.To), before, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(m identity.Mail) string { return string(m.ID) }, viewMail), nil
}

func (s *server) getMail(ctx context.Context, in *struct {
	ID string `path:"mail_id" example:"mail-01k9xw3e5v8m2q4r6t8y0a1b2c"`
}) (*struct{ Body MailView }, error) {
	m, err := s.mails.Mail(ctx, tenant.MailID(in.ID))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body MailView }{viewMail(m)}, nil
}
