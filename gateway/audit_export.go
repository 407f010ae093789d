package gateway

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/logs"
)

// The media types of an export.
const (
	mediaCSV   = "text/csv"
	mediaLines = "application/jsonl"
)

// exportBatch is how many lines of the log are in memory at a time.
const exportBatch = 500

// ExportInput is how somebody wants to have the audit log.
type ExportInput struct {
	AuditInput
	Format string `query:"format" enum:"csv,jsonl" default:"csv"`
}

func (s *server) exportAudit(ctx context.Context, in *ExportInput) (*huma.StreamResponse, error) {
	org := caller(ctx).Organization
	batch, err := s.audit.Entries(ctx, org, in.query(), "", exportBatch)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		r, w := humachi.Unwrap(hctx)
		media, encode := mediaCSV+"; charset=utf-8; header=present", encodeCSV
		if in.Format == "jsonl" {
			media, encode = mediaLines, encodeLines
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="audit-%s.%s"`, s.now().UTC().Format("2006-01-02"), in.Format))
		out := newPromptWriter(w)
		for first := true; r.Method != http.MethodHead && err == nil; first = false {
			if err = encode(out, batch, first); err != nil || len(batch) < exportBatch {
				break
			}
			batch, err = s.audit.Entries(ctx, org, in.query(), batch[len(batch)-1].ID, exportBatch)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "audit log not sent", logs.Request, logs.RequestOf(ctx), "error", err)
			}
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
	}}, nil
}

// encodeLines writes JSON Lines (https://jsonlines.org).
func encodeLines(out io.Writer, entries []postgres.AuditEntry, _ bool) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, e := range entries {
		if err := lines.Encode(viewAudit(e)); err != nil {
			return fmt.Errorf("encode line %s: %w", e.ID, err)
		}
	}
	_, err := out.Write(text.Bytes())
	return err
}

// encodeCSV writes RFC 4180, and before the first lines the header.
func encodeCSV(out io.Writer, entries []postgres.AuditEntry, first bool) error {
	var text bytes.Buffer
	lines := csv.NewWriter(&text)
	lines.UseCRLF = true
	if first {
		_ = lines.Write([]string{"id", "at", "actor", "email", "action", "resource", "address", "details"}) // into memory
	}
	for _, e := range entries {
		details, err := json.Marshal(e.Detail)
		if err != nil {
			return fmt.Errorf("encode line %s: %w", e.ID, err)
		}
		row := []string{e.ID, e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.Email, e.Action, e.Subject, e.Address, string(details)}
		for i := range row {
			row[i] = defused(row[i])
		}
		_ = lines.Write(row)
	}
	lines.Flush()
	_, err := out.Write(text.Bytes())
	return err
}

// defused is a cell that no spreadsheet takes for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection): people choose names, and
// somebody else opens the file.
func defused(cell string) string {
	if strings.IndexAny(cell, "=+-@\t\r\n＝＋－＠") == 0 {
		return "'" + cell
	}
	return cell
}
