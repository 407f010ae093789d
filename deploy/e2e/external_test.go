//go:build integration

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// TestExternalServices: an operator's own Postgres and NATS replace the embedded
// ones by configuration alone, and their passwords stay out of the environment of
// what Marina starts.
func TestExternalServices(t *testing.T) {
	dir, err := os.MkdirTemp("", "marina-external-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres has to pass through
		t.Fatal(err)
	}
	db, err := pgserver.Start(t.Context(), pgserver.Config{DataDir: filepath.Join(dir, "data"), SocketDir: filepath.Join(dir, "sock"), LogFile: filepath.Join(dir, "log"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	})
	nats, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: filepath.Join(dir, "nats"), NoSigs: true, NoLog: true, Username: "marina", Password: "not-for-children",
	})
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS did not start")
	}
	address := url.URL{Scheme: "nats", User: url.UserPassword("marina", "not-for-children"), Host: nats.Addr().String()}

	i, err := installation.New(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	i.Env = []string{"MARINA_POSTGRES_DSN=" + db.DSN(), "MARINA_NATS_URL=" + address.String()}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := i.Start(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	k, err := i.Client.CreateCluster(t.Context(), client.NewCluster{Name: "external"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster runs", func() (bool, string) {
		now, err := i.Client.Cluster(t.Context(), k.ID)
		return err == nil && now.Phase == "running", fmt.Sprint(now.Phase, err)
	})
	for _, embedded := range []string{"postgres", "nats"} {
		if _, err := os.Stat(filepath.Join(i.Home, embedded)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v; want none, since an external one was named", embedded, err)
		}
	}
	h, err := home.At(i.Home)
	if err != nil {
		t.Fatal(err)
	}
	router, ok, err := host.Find(host.RouterFile(h))
	if err != nil || !ok {
		t.Fatalf("no router: %v", err)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", router.PID))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(environ), "not-for-children") {
		t.Error("the router's environment holds the password of NATS")
	}
	if nats.NumClients() == 0 {
		t.Error("nobody uses the operator's NATS")
	}
}
