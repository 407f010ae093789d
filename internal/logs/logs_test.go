package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/logs"
	"github.com/marina-cloud/marina/internal/secret"
)

// line writes one line and returns it decoded.
func line(t *testing.T, ctx context.Context, args ...any) (fields map[string]any, text string) {
	t.Helper()
	var out bytes.Buffer
	logs.New(&out, slog.LevelInfo, false).With("part", "test").InfoContext(ctx, "done", args...)
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	return fields, out.String()
}

func TestLinesNameTheirRequest(t *testing.T) {
	t.Parallel()
	ctx := logs.WithRequest(t.Context(), "r-12345678")
	if got, _ := line(t, ctx, logs.Cluster, "kc-1"); got["request"] != "r-12345678" || got["cluster"] != "kc-1" || got["part"] != "test" {
		t.Errorf("line %v", got)
	}
	if got, text := line(t, ctx, logs.Request, "another"); got["request"] != "another" || strings.Count(text, `"request"`) != 1 {
		t.Errorf("line %s: want the request that the caller named, once", text)
	}
	if got, _ := line(t, logs.WithRequest(t.Context(), "")); got["request"] != nil {
		t.Errorf("line %v of no request", got)
	}
}

func TestSecretsAreNotWritten(t *testing.T) {
	t.Parallel()
	const hidden = "hunter2hunter2"
	for _, args := range [][]any{
		{"password", hidden}, {"Authorization", "Bearer " + hidden}, {"token", hidden},
		{"database", secret.Text(hidden)},
		{"config", struct{ Address secret.Text }{hidden}},
		{slog.Group("request", "Cookie", hidden)},
	} {
		if _, text := line(t, t.Context(), args...); strings.Contains(text, hidden) || !strings.Contains(text, "[redacted]") {
			t.Errorf("the line of %v is %s", args[0], text)
		}
	}
}

func TestGoodRequest(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"": false, "short": false, "client-7.retry_2": true, "4bf92f3577b34da6a3ce929d0e0e4736": true,
		"with space": false, "new\nline-new": false, `quote"quote`: false, strings.Repeat("x", 65): false, "ümläutümläut": false,
	} {
		if logs.GoodRequest(id) != want {
			t.Errorf("GoodRequest(%q) = %t", id, !want)
		}
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"time":"T","level":"ERROR","msg":"it broke","error":"no disk","after":3}`: `T ERROR it broke after="3" error="no disk"`,
		"plain text":  "plain text",
		`{"other":1}`: `{"other":1}`,
	} {
		if got := logs.Sentence(in); got != want {
			t.Errorf("Sentence(%s) = %s, want %s", in, got, want)
		}
	}
}
