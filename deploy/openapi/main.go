// Command openapi prints the REST API's OpenAPI document, made from the same code
// that serves it: the console's typed client is generated from it.
package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/marina-cloud/marina/gateway"
)

func main() {
	api := gateway.New(gateway.Deps{Log: slog.New(slog.DiscardHandler), Version: "v1"})
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK {
		fmt.Fprintf(os.Stderr, "Error: the API describes itself with status %d\n", w.Code)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(w.Body.Bytes()); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}
