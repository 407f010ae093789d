package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
)

// noncePlace is where the page holds the place for the nonce of its styles.
const noncePlace = "STYLE-NONCE"

// policy is the page's Content-Security-Policy. The component library writes a few
// style elements, which carry the nonce; nothing else runs or loads that is not a
// file of ours. Style attributes are not allowed: React sets styles through the
// object model, to which this does not apply.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + noncePlace + "'; font-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// file is a file as it is sent.
type file struct {
	mediaType string
	plain     []byte
	packed    []byte // by gzip; nil where that saves nothing
}

func newFile(data []byte, mediaType string) file {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is right
	_, _ = z.Write(data)                                       // into memory
	_ = z.Close()
	f := file{mediaType: mediaType, plain: data}
	if packed.Len() < len(data)*9/10 {
		f.packed = packed.Bytes()
	}
	return f
}

// console serves one page at every path, and files below /assets/.
type console struct {
	page  string
	files map[string]file
}

func newConsole(page []byte, files map[string]file) http.Handler {
	return &console{page: string(page), files: files}
}

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	name := strings.TrimPrefix(r.URL.Path, "/")
	if !strings.HasPrefix(name, "assets/") {
		c.servePage(w)
		return
	}
	f, ok := c.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	// Their names hold a hash of what is in them.
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Content-Type", f.mediaType)
	body := f.plain
	if f.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			body = f.packed
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// servePage writes the page with a nonce that was never there before.
func (c *console) servePage(w http.ResponseWriter) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", strings.ReplaceAll(policy, noncePlace, nonce))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(strings.ReplaceAll(c.page, noncePlace, nonce)))
}

func acceptsGzip(r *http.Request) bool {
	for _, accepted := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(accepted), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.TrimSpace(quality) != "q=0"
		}
	}
	return false
}
