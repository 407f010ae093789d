// Package nodeapi is the platform's side of package join: machines become nodes
// here, and get fresh credentials. It is reached through the router, which passes
// the TLS connection on as it is.
package nodeapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/node-fleet/internal/authority"
	"github.com/marina-cloud/marina/node-fleet/join"
)

// Limits of a connection. Anybody can make one, also without a token.
const (
	maxBody        = 64 << 10
	maxHeader      = 16 << 10
	maxConnections = 1024 // more than a router carries (gateway/router): it shares them out
	readLimit      = 10 * time.Second
	writeLimit     = 30 * time.Second
	idleLimit      = 30 * time.Second
	stopLimit      = 3 * time.Second
)

// Server serves the node API.
type Server struct {
	Socket       string // path of the unix socket
	Certificates string // directory with the files of package authority, read for each connection
	API          *API
	Mirror       *url.URL // of a registry from which nodes may pull images; nil: none
	Log          *slog.Logger
	HTTP         *metrics.HTTP // nil: nobody counts
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.API.images = newImages(s.Mirror, s.Log)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+join.PathImages, s.API.pull)
	mux.HandleFunc("POST "+join.PathJoin, turns(s.API.join, joinsAtOnce))
	mux.HandleFunc("POST "+join.PathBootstrap, s.API.bootstrap)
	mux.HandleFunc("/", notFound)
	server := &http.Server{
		Handler:           s.measured(mux),
		ReadHeaderTimeout: readLimit, ReadTimeout: readLimit, WriteTimeout: writeLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), // TLS handshakes of strangers
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close() //nolint:errcheck // what is left is cut
		}
	})
	err = server.Serve(tls.NewListener(netutil.LimitListener(listener, maxConnections), s.tls()))
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the node API: %w", err)
}

// measured counts the requests to mux.
func (s *Server) measured(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered := s.HTTP.Begin(metrics.NodeAPI, r.Method)
		noted := &noted{ResponseWriter: w, status: http.StatusOK}
		mux.ServeHTTP(noted, r)
		_, route, _ := strings.Cut(r.Pattern, " ")
		answered(route, noted.status)
	})
}

// noted remembers the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap lets an http.ResponseController reach the connection.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// listen opens the socket, in the place of one that was left behind.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(s.Socket), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of the node API's socket: %w", err)
	}
	if err := os.Remove(s.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket of the node API: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", s.Socket)
	if err != nil {
		return nil, fmt.Errorf("listen for the node API: %w", err)
	}
	return listener, nil
}

// tls asks for a client certificate, and verifies one that is given: a machine
// that joins has none yet.
func (s *Server) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAs:  s.API.Authority.Pool(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(filepath.Join(s.Certificates, authority.CertificateFile), filepath.Join(s.Certificates, authority.KeyFile))
			return &pair, err
		},
	}
}
