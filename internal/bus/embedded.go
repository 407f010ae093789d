package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a NATS server inside this process. It listens nowhere.
type Server struct{ nats *server.Server }

// Embedded starts a NATS server that keeps its streams in dir, which it makes.
// A store that it cannot read is moved to dir.broken, in place of an older one:
// what was in it is in Postgres, too.
func Embedded(ctx context.Context, dir string) (*Server, error) {
	s, err := embedded(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("start the built-in NATS: %w", err)
	}
	return s, nil
}

func embedded(ctx context.Context, dir string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s, err := boot(dir)
	if !errors.Is(err, errStore) {
		return s, err
	}
	broken := dir + ".broken"
	slog.WarnContext(ctx, "event store unreadable; starting with an empty one", "moved_to", broken, "error", err)
	if err := os.RemoveAll(broken); err != nil {
		return nil, err
	}
	if err := os.Rename(dir, broken); err != nil {
		return nil, err
	}
	return boot(dir)
}

var errStore = errors.New("open the event store")

func boot(dir string) (*Server, error) {
	ns, err := server.NewServer(&server.Options{
		ServerName: "marina",
		DontListen: true,
		NoSigs:     true, // signals are for the process
	})
	if err != nil {
		return nil, err
	}
	ns.SetLoggerV2(logger{}, false, false, false)
	ns.Start()
	s := &Server{nats: ns}
	if !ns.ReadyForConnections(timeout) {
		s.Close()
		return nil, fmt.Errorf("not ready after %s", timeout)
	}
	// Not by the options: the server would only log that it could not.
	err = ns.EnableJetStream(&server.JetStreamConfig{StoreDir: dir, MaxStore: 1 << 30, MaxMemory: 64 << 20})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	return s, nil
}

// Connect connects to the server within the process.
func (s *Server) Connect(ctx context.Context) (*Bus, error) {
	b, err := connect(ctx, "", nats.InProcessServer(s.nats))
	if err != nil {
		return nil, fmt.Errorf("connect to the built-in NATS: %w", err)
	}
	return b, nil
}

// Close ends the server, after what it has stored is on disk. Connections to it
// are closed first by those who made them.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// logger passes on what NATS warns of.
type logger struct{}

func (logger) Noticef(string, ...any)         {}
func (logger) Warnf(format string, v ...any)  { say(slog.LevelWarn, format, v) }
func (logger) Errorf(format string, v ...any) { say(slog.LevelError, format, v) }
func (logger) Fatalf(format string, v ...any) { say(slog.LevelError, format, v) }
func (logger) Debugf(string, ...any)          {}
func (logger) Tracef(string, ...any)          {}

func say(level slog.Level, format string, v []any) {
	slog.Log(context.Background(), level, "built-in NATS", "says", fmt.Sprintf(format, v...))
}
