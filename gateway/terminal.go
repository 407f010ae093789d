package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/logs"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Terminal is a shell that runs. Reading and writing may happen at the same time. An
// error of reading that is a fault tells the person why the terminal ended.
type Terminal interface {
	io.ReadWriteCloser
	Resize(columns, rows uint16) error
}

const (
	// maxTerminals are shared out between people.
	maxTerminals = 256
	// terminalProtocol is what both ends of the WebSocket speak.
	terminalProtocol = "marina.terminal.v1"
	// terminalPing is how often it is looked whether the reader is there and may be.
	terminalPing = 20 * time.Second
	// maxTyped is how much one message may hold: what somebody pastes.
	maxTyped = 64 << 10
)

// TerminalInput is what a terminal begins with.
type TerminalInput struct {
	ClusterPath
	Columns uint16 `query:"columns" minimum:"1" maximum:"1000" default:"80"`
	Rows    uint16 `query:"rows" minimum:"1" maximum:"1000" default:"24"`
	// Organization is read where it is found out who calls.
	Organization string `query:"organization_id" doc:"What others say in the header Marina-Organization, which a browser's WebSocket cannot send." example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Upgrade      string `header:"Upgrade" hidden:"true"`
}

// terminalSize is what a client sends as text when its window changed.
type terminalSize struct {
	Columns uint16 `json:"columns"`
	Rows    uint16 `json:"rows"`
}

func (s *server) registerTerminal(api huma.API) {
	op := needs(identity.ClustersUse, operation("openTerminal", http.MethodGet, "/v1/clusters/{cluster_id}/terminal", "Clusters",
		"Open a terminal with kubectl, over a WebSocket", http.StatusSwitchingProtocols, 401, 404, 409, 426))
	op.Description = "A shell in a sandbox that reaches this cluster's API server and nothing else, with the caller's rights. " +
		"The WebSocket speaks " + terminalProtocol + ": binary messages are what is typed and what is shown; " +
		`a text message {"columns":80,"rows":24} tells of a new size. It ends when nobody uses it.`
	op.Responses = map[string]*huma.Response{"101": {Description: "Switching to WebSocket"}}
	huma.Register(api, op, s.terminal)
}

func (s *server) terminal(ctx context.Context, in *TerminalInput) (*huma.StreamResponse, error) {
	who := caller(ctx)
	c, err := s.Clusters.Cluster(ctx, who.Organization, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	if !strings.EqualFold(in.Upgrade, "websocket") {
		return nil, newProblem(http.StatusUpgradeRequired, "websocket_required", "A terminal is opened as a WebSocket with the protocol "+terminalProtocol+".")
	}
	leave, ok := s.limits.terminals.Enter(who.User)
	if !ok {
		return nil, tooMany(terminalPing, "You have as many terminals open as there is room for.")
	}
	t, err := s.Clusters.Terminal(ctx, who.Organization, who.Actor(), addressOf(ctx), c.ID, wanted(who, controlplane.ForTerminal, 0), in.Columns, in.Rows)
	if err != nil {
		leave()
		return nil, s.failed(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer leave()
		r, w := humachi.Unwrap(hctx)
		// It refuses pages of other origins: a browser sends its cookies with theirs, too.
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{terminalProtocol}})
		if err == nil {
			lasting(ctx)
			ws.SetReadLimit(maxTyped)
			err = converse(ctx, ws, t)
		}
		if err := errors.Join(err, t.Close()); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "terminal ended", logs.Request, logs.RequestOf(ctx), logs.Cluster, in.ID, "error", err)
		}
	}}, nil
}

// converse carries what is typed and what is shown until one of both has enough.
func converse(ctx context.Context, ws *websocket.Conn, t Terminal) error {
	defer ws.CloseNow() //nolint:errcheck // it was closed with a reason, or there is nobody
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	typed := make(chan error, 1)
	go func() { typed <- listen(ctx, ws, t) }()
	shown := make(chan error, 1)
	go func() { shown <- show(ctx, ws, t) }()
	tick := time.NewTicker(terminalPing)
	defer tick.Stop()
	for {
		select {
		case err := <-shown:
			return ws.Close(websocket.StatusNormalClosure, whyEnded(err))
		case err := <-typed:
			if websocket.CloseStatus(err) != -1 || errors.Is(err, io.EOF) {
				return nil // they left
			}
			return err
		case <-tick.C:
			if again(ctx) != nil {
				return ws.Close(websocket.StatusPolicyViolation, "You may not use this terminal any more.")
			}
			if err := ping(ctx, ws); err != nil {
				return nil // nobody is there
			}
		}
	}
}

// whyEnded is what a person is told: of most ends that the shell has ended.
func whyEnded(err error) string {
	if why, ok := errors.AsType[*fault.Error](err); ok {
		return why.Msg
	}
	return "The terminal has ended."
}

func ping(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, terminalPing)
	defer cancel()
	return ws.Ping(ctx)
}

// listen passes on what is typed.
func listen(ctx context.Context, ws *websocket.Conn, t Terminal) error {
	for {
		kind, data, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		if kind == websocket.MessageBinary {
			if _, err := t.Write(data); err != nil {
				return err
			}
			continue
		}
		var size terminalSize
		if err := json.Unmarshal(data, &size); err != nil || size.Columns == 0 || size.Rows == 0 {
			return ws.Close(websocket.StatusInvalidFramePayloadData, "A text message tells of the size of the window, in columns and rows.")
		}
		if err := t.Resize(size.Columns, size.Rows); err != nil {
			return err
		}
	}
}

// show passes on what is shown, no faster than it is read.
func show(ctx context.Context, ws *websocket.Conn, t Terminal) error {
	p := make([]byte, 16<<10)
	for {
		n, err := t.Read(p)
		if n > 0 {
			write, cancel := context.WithTimeout(ctx, slowest)
			failed := ws.Write(write, websocket.MessageBinary, p[:n])
			cancel()
			if failed != nil {
				return failed
			}
		}
		if err != nil { // a terminal whose programs have ended cannot be read (EIO)
			return err
		}
	}
}
