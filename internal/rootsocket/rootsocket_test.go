package rootsocket_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/marina-cloud/marina/internal/rootsocket"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	ask := func(path string) (string, error) {
		var answer string
		return answer, rootsocket.Ask(t.Context(), socket, "POST", path, map[string]int{"n": 1}, &answer)
	}
	if _, err := ask("/"); !errors.Is(err, rootsocket.ErrNotRunning) {
		t.Errorf("without a server: %v, want ErrNotRunning", err)
	}
	for range 2 { // the second finds what the first left
		ln, err := rootsocket.Listen(socket)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v; want it for root alone", info.Mode(), err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`"yes"`)) })
		mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "because", http.StatusConflict) })
		s := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		if got, err := ask("/good"); got != "yes" || err != nil {
			t.Errorf("answer %q, %v", got, err)
		}
		if _, err := ask("/bad"); err == nil || err.Error() != "because" {
			t.Errorf("a refusal: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		<-served
	}
}
