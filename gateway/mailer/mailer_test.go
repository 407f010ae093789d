//go:build integration

package mailer_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/mailer"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// office is a mail server of somebody else's.
type office struct {
	address, caFile string
	refuse          func(recipient string) error // nil: it takes every mail
	password        string                       // empty: it asks for none

	mu    sync.Mutex
	mails []string
	tls   []bool // by mail
}

func openOffice(t *testing.T, implicitTLS, offerTLS bool, change func(*office)) *office {
	t.Helper()
	o := &office{}
	if change != nil {
		change(o)
	}
	certificate, authority := selfSigned(t)
	o.caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(o.caFile, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &visit{o: o, c: c}, nil }))
	s.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	o.address = "localhost:" + port
	if offerTLS {
		s.TLSConfig = settings
	}
	if implicitTLS {
		ln = tls.NewListener(ln, settings)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
	})
	return o
}

// selfSigned is a certificate for localhost, which is its own authority.
func selfSigned(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// visit is a conversation with the office.
type visit struct {
	o  *office
	c  *smtp.Conn
	in bool // logged in
}

func (*visit) Reset()        {}
func (*visit) Logout() error { return nil }

func (v *visit) Mail(string, *smtp.MailOptions) error {
	if v.o.password != "" && !v.in {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	if v.o.refuse == nil {
		return nil
	}
	return v.o.refuse(to)
}

func (v *visit) AuthMechanisms() []string {
	if v.o.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "marina" || password != v.o.password {
			return errors.New("who are you?")
		}
		v.in = true
		return nil
	}), nil
}

func (v *visit) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, secure := v.c.TLSConnectionState()
	v.o.mu.Lock()
	defer v.o.mu.Unlock()
	v.o.mails, v.o.tls = append(v.o.mails, string(data)), append(v.o.tls, secure)
	return nil
}

func (o *office) got() (mails []string, secure []bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mails, o.tls
}

// post is an installation that sends mails.
type post struct {
	db      *pg.DB
	secrets seal.Store
	log     *bytes.Buffer
	socket  string
}

func open(t *testing.T) *post {
	t.Helper()
	p := &post{db: pgtest.New(t), log: &bytes.Buffer{}, socket: filepath.Join(t.TempDir(), "mailbox.sock")}
	var err error
	if p.secrets, err = seal.Open(t.Context(), p.db, filepath.Join(t.TempDir(), "master.key")); err != nil {
		t.Fatal(err)
	}
	return p
}

// send has the mailer deliver until the test ends, or stop is called.
func (p *post) send(t *testing.T, c mailer.Config) (stop func()) {
	t.Helper()
	m, err := mailer.New(mailer.Deps{DB: p.db, Secrets: p.secrets, Config: c, Socket: p.socket, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the mailer ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// queue queues a mail as the gateway does (TestQueueMail).
func (p *post) queue(t *testing.T, to, subject, text string) tenant.MailID {
	t.Helper()
	id := tenant.NewMailID()
	sealed, err := p.secrets.Seal(t.Context(), "mails", []byte(text), []byte(id))
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t, "INSERT INTO mails (id, recipient, subject, sealed, created_at) VALUES ($1, $2, $3, $4, now())", id, to, subject, sealed)
	p.exec(t, "SELECT pg_notify('mails', '')")
	return id
}

func (p *post) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	err := p.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type row struct {
	state, lastError string
	attempts         int
	sealed           bool
}

func (p *post) row(t *testing.T, id tenant.MailID) (r row) {
	t.Helper()
	err := p.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT state, last_error, attempts, sealed IS NOT NULL FROM mails WHERE id = $1", id).Scan(&r.state, &r.lastError, &r.attempts, &r.sealed)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// become waits until a mail is as wanted.
func (p *post) become(t *testing.T, id tenant.MailID, why string, wanted func(row) bool) row {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r := p.row(t, id)
		if wanted(r) {
			return r
		}
		if time.Now().After(until) {
			t.Fatalf("%s: the mail is %+v", why, r)
		}
	}
}

func sent(r row) bool { return r.state == "sent" }

func TestDelivery(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		way                   string
		implicitTLS, offerTLS bool
		password              string
	}{
		"StartTLS":          {mailer.StartTLS, false, true, ""},
		"StartTLSAndLogIn":  {"", false, true, "hunter2"},
		"TLSAndLogIn":       {mailer.TLS, true, false, "hunter2"},
		"InTheClear":        {mailer.Plain, false, false, ""},
		"InTheClearIfAsked": {mailer.Plain, false, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := openOffice(t, tc.implicitTLS, tc.offerTLS, func(o *office) { o.password = tc.password })
			p := open(t)
			c := mailer.Config{Address: o.address, From: "Marina <marina@example.com>", TLS: tc.way, CAFile: o.caFile}
			if tc.password != "" {
				c.Username, c.PasswordFile = "marina", filepath.Join(t.TempDir(), "password")
				if err := os.WriteFile(c.PasswordFile, []byte(tc.password+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p.send(t, c)
			id := p.queue(t, "ada@example.com", "Grüße", "Hello.\nhttp://localhost/verify#marina_secret\n")
			if r := p.become(t, id, "a server takes it", sent); r.sealed {
				t.Error("the text is kept after it was delivered")
			}
			mails, secure := o.got()
			if len(mails) != 1 || secure[0] != (tc.way != mailer.Plain) {
				t.Fatalf("%d mails, by TLS: %v", len(mails), secure)
			}
			m, err := mail.ReadMessage(strings.NewReader(mails[0]))
			if err != nil {
				t.Fatal(err)
			}
			for header, want := range map[string]string{
				"From": `"Marina" <marina@example.com>`, "To": "<ada@example.com>", "Message-Id": "<" + string(id) + "@example.com>", "Auto-Submitted": "auto-generated",
			} {
				if got := m.Header.Get(header); got != want {
					t.Errorf("%s: %s, want %s", header, got, want)
				}
			}
			if !strings.Contains(mails[0], "/verify#marina_secret") {
				t.Errorf("the mail lacks its link:\n%s", mails[0])
			}
		})
	}
}

// TestMailsStaySecret: a server that offers no TLS, or that is another one, gets no
// mail.
func TestMailsStaySecret(t *testing.T) {
	t.Parallel()
	stripped, other := openOffice(t, false, false, nil), openOffice(t, false, true, nil)
	for why, c := range map[string]mailer.Config{
		"somebody took STARTTLS out":         {Address: stripped.address, CAFile: stripped.caFile},
		"the certificate is of another's CA": {Address: other.address, CAFile: stripped.caFile},
	} {
		p := open(t)
		c.From = "marina@example.com"
		p.send(t, c)
		id := p.queue(t, "ada@example.com", "Hello", "secret")
		if r := p.become(t, id, why, func(r row) bool { return r.attempts > 0 }); r.state != "waiting" || !r.sealed || r.lastError == "" {
			t.Errorf("%s: %+v", why, r)
		}
	}
	for _, o := range []*office{stripped, other} {
		if mails, _ := o.got(); len(mails) > 0 {
			t.Errorf("a server got %q", mails)
		}
	}
}

// TestFailures: what may pass is tried again, what will not is given up, and so is
// what nobody waits for any more.
func TestFailures(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	o := openOffice(t, false, true, func(o *office) {
		o.refuse = func(to string) error {
			mu.Lock()
			defer mu.Unlock()
			asked[to]++
			switch {
			case strings.HasPrefix(to, "nobody"):
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
			case strings.HasPrefix(to, "busy") && asked[to] < 2, strings.HasPrefix(to, "late"):
				return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "come back later"}
			}
			return nil
		}
	})
	p := open(t)
	nobody := p.queue(t, "nobody@example.com", "Hello", "secret")
	busy := p.queue(t, "busy@example.com", "Hello", "secret")
	late := p.queue(t, "late@example.com", "Hello", "secret")
	p.exec(t, "INSERT INTO mails (id, recipient, subject, created_at, state) VALUES ('mail-old', 'x', 'x', now() - interval '31 days', 'sent')")
	err := p.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE mails SET created_at = now() - interval '25 hours' WHERE id = $1", late)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.send(t, mailer.Config{Address: o.address, From: "marina@example.com", CAFile: o.caFile})
	for why, id := range map[string]tenant.MailID{"there is no such mailbox": nobody, "a day is over": late} {
		r := p.become(t, id, why, func(r row) bool { return r.state == "failed" && r.attempts > 0 })
		if r.sealed || !strings.Contains(r.lastError, "no such mailbox") && !strings.Contains(r.lastError, "come back later") {
			t.Errorf("%s: %+v, want the reason and no text", why, r)
		}
	}
	p.become(t, busy, "it worked the second time", sent)
	p.become(t, nobody, "nobody asks again", func(row) bool { mu.Lock(); defer mu.Unlock(); return asked["nobody@example.com"] == 1 })
	var old int
	err = p.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM mails WHERE id = 'mail-old'").Scan(&old)
	})
	if err != nil || old != 0 {
		t.Errorf("%d mails of long ago, %v", old, err)
	}
}

// TestMailbox: without a server, mails stay here, sealed, for root alone.
func TestMailbox(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.send(t, mailer.Config{})
	const text = "Hëllo.\nhttp://localhost:8080/verify#marina_abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwxyz\n.\nEnd\n"
	id := p.queue(t, "ada@example.com", "Hello", text)
	p.become(t, id, "the mailbox takes it", sent)
	var sealed []byte
	err := p.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT sealed FROM mailbox WHERE mail_id = $1", id).Scan(&sealed)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.secrets.Open(t.Context(), "mails", sealed, []byte(id)); err != nil || string(got) != text {
		t.Errorf("the mailbox has %q, %v; want %q", got, err, text)
	}
	if info, err := os.Stat(p.socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want it for root alone", info.Mode(), err)
	}
	c, err := net.Dial("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	client := smtp.NewClient(c)
	defer client.Close()
	for why, data := range map[string]string{
		"no mail of Marina's":        "Subject: x\r\n\r\nx\r\n",
		"no mail that Marina wrote":  "Message-Id: <mail-nothing@x>\r\n\r\nx\r\n",
		"no mail at all":             "x",
		"more than a mail may be of": "Message-Id: <" + string(id) + "@x>\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 2000),
	} {
		if err := client.SendMail("x@example.com", []string{"y@example.com"}, strings.NewReader(data)); err == nil {
			t.Errorf("%s is taken", why)
		}
	}
}
