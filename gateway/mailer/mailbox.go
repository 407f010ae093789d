package mailer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/marina-cloud/marina/internal/tenant"
)

// maxMessage bounds a mail in bytes: those of Marina have a kilobyte.
const maxMessage = 64 << 10

// keeper is where a mailbox keeps mails.
type keeper interface {
	// Keep keeps the text of a mail that this installation wrote.
	Keep(ctx context.Context, id tenant.MailID, text string) error
}

// mailbox is an SMTP server (RFC 5321) for an installation without one of its own: it
// keeps the mails for the operator, who passes them on.
type mailbox struct {
	mails keeper
	log   *slog.Logger
}

func newMailbox(mails keeper, log *slog.Logger) *mailbox { return &mailbox{mails, log} }

// serve takes mails until ctx ends.
func (b *mailbox) serve(ctx context.Context, ln net.Listener) error {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &conversation{ctx: ctx, box: b}, nil }))
	s.Domain, s.MaxRecipients, s.MaxMessageBytes = "localhost", 1, maxMessage
	s.ReadTimeout, s.WriteTimeout = answerLimit, answerLimit
	s.ErrorLog = slog.NewLogLogger(b.log.Handler(), slog.LevelWarn)
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // a mail that was cut is sent again
	defer stop()
	if err := s.Serve(ln); err != nil && ctx.Err() == nil {
		return fmt.Errorf("take mails: %w", err)
	}
	return nil
}

// conversation is one with a client that brings mails.
type conversation struct {
	ctx context.Context // of the server
	box *mailbox
}

func (*conversation) Reset()                               {}
func (*conversation) Logout() error                        { return nil }
func (*conversation) Mail(string, *smtp.MailOptions) error { return nil }
func (*conversation) Rcpt(string, *smtp.RcptOptions) error { return nil }

// Data keeps a mail.
func (c *conversation) Data(r io.Reader) error {
	id, text, err := read(r)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	ctx, cancel := context.WithTimeout(c.ctx, answerLimit)
	defer cancel()
	if err := c.box.mails.Keep(ctx, id, text); err != nil {
		c.box.log.WarnContext(ctx, "mail not kept", "mail", id, "error", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail cannot be kept just now"}
	}
	return nil
}

// read returns the text of a mail, and its id.
func read(r io.Reader) (tenant.MailID, string, error) {
	m, err := mail.ReadMessage(r) // the server bounds it
	if err != nil {
		return "", "", fmt.Errorf("this is not a mail: %w", err)
	}
	id, _, ok := strings.Cut(strings.TrimPrefix(m.Header.Get("Message-Id"), "<"), "@")
	if !ok || !strings.HasPrefix(id, "mail-") {
		return "", "", errors.New("this is not a mail of Marina's")
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return "", "", fmt.Errorf("the text cannot be read: %w", err)
	}
	return tenant.MailID(id), strings.ReplaceAll(string(data), "\r\n", "\n"), nil
}
