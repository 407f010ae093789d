package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/secret"
)

// answerLimit bounds one step of a conversation with a server.
const answerLimit = 30 * time.Second

// outgoing sends mails to a server.
type outgoing struct {
	Config
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: over the network
}

// refused is the error of a mail whose address the server does not know: trying again
// would not help.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// send has a conversation with the server about one mail. A mail that was taken is not
// sent again, however the conversation ended.
func (o outgoing) send(ctx context.Context, m postgres.WaitingMail, text string) error {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return fmt.Errorf("read the sender's address %q: %w", o.From, err)
	}
	message, err := compose(from, m, text)
	if err != nil {
		return refused{err}
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, message)
	if err == nil || message.IsDelivered() {
		return nil
	}
	err = fmt.Errorf("send a mail by %s: %w", o.Address, err)
	var why *mail.SendError
	if errors.As(err, &why) && why.Reason == mail.ErrSMTPRcptTo && !why.IsTemp() {
		return refused{err}
	}
	return err
}

// compose writes a mail down. Its Message-ID is always the same, so that a mailbox
// shows a mail once that was delivered twice.
func compose(from *netmail.Address, m postgres.WaitingMail, text string) (*mail.Msg, error) {
	_, domain, _ := strings.Cut(from.Address, "@")
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	message.FromMailAddress(from)
	message.ToMailAddress(&netmail.Address{Address: m.To})
	message.Subject(m.Subject)
	message.SetMessageIDWithValue(string(m.ID) + "@" + domain)
	message.SetDateWithValue(m.CreatedAt)
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's vacation answers
	message.SetBodyString(mail.TypeTextPlain, text)
	if to := message.GetToString(); len(to) != 1 {
		return nil, errors.New("the recipient's address is not one")
	}
	return message, nil
}

func (o outgoing) client() (*mail.Client, error) {
	host, portName, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's address: %w", err)
	}
	port, err := net.LookupPort("tcp", portName)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's port %s: %w", strconv.Quote(portName), err)
	}
	trusted, err := o.authorities()
	if err != nil {
		return nil, err
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(answerLimit), mail.WithoutNoop(),
		mail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: trusted, MinVersion: tls.VersionTLS12}),
	}
	switch o.way() {
	case TLS:
		options = append(options, mail.WithSSL())
	case Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if o.dial != nil {
		options = append(options, mail.WithDialContextFunc(o.dial))
	}
	if o.Username != "" {
		password, err := secret.FromFile(o.PasswordFile)
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(o.Username), mail.WithPassword(string(password)))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("prepare to send mails by %s: %w", o.Address, err)
	}
	return client, nil
}

// authorities are those that the server's certificate may come from; nil: the machine's.
func (o outgoing) authorities() (*x509.CertPool, error) {
	if o.CAFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate", o.CAFile)
	}
	return pool, nil
}
