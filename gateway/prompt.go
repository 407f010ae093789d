package gateway

import (
	"net/http"
	"time"
)

// slowest is how long a reader may take for what is sent at once.
const slowest = 30 * time.Second

// promptWriter sends what is written at once, and gives up on a reader that takes
// nothing.
type promptWriter struct {
	w          http.ResponseWriter
	connection *http.ResponseController
}

func newPromptWriter(w http.ResponseWriter) *promptWriter {
	return &promptWriter{w: w, connection: http.NewResponseController(w)}
}

func (p *promptWriter) Write(data []byte) (int, error) {
	_ = p.connection.SetWriteDeadline(time.Now().Add(slowest)) // where there is no connection, nobody is slow
	n, err := p.w.Write(data)
	if err == nil {
		err = p.connection.Flush()
	}
	_ = p.connection.SetWriteDeadline(time.Time{})
	return n, err
}

func (p *promptWriter) flush() {
	p.w.WriteHeader(http.StatusOK)
	_ = p.connection.Flush() // the first line shows whether the reader is there
}
