// Package web is what a browser is shown: the console, a single-page application
// whose sources are in src. Its files are embedded, load nothing from elsewhere, and
// talk to the REST API of the same origin.
//
// The console is built by `make build`, which leaves it in embedded/console.zip. A
// program that was compiled without shows a page that says so.
package web

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed embedded
var embedded embed.FS

// Handler serves the console: its files below /assets/, and its one page everywhere
// else. It is safe for concurrent use. It panics if the embedded archive is broken.
func Handler() http.Handler {
	page, err := embedded.ReadFile("embedded/unbuilt.html")
	if err != nil {
		panic(err) // it is embedded above
	}
	packed, err := embedded.ReadFile("embedded/console.zip")
	if err != nil {
		return newConsole(page, nil)
	}
	files, err := unpack(packed)
	if err != nil {
		panic(err)
	}
	page = files["index.html"].plain
	delete(files, "index.html")
	return newConsole(page, files)
}

// unpack reads an archive.
func unpack(packed []byte) (map[string]file, error) {
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("read the embedded console: %w", err)
	}
	files := map[string]file{}
	for _, entry := range z.File {
		if strings.HasSuffix(entry.Name, "/") {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return nil, fmt.Errorf("read the embedded console's %s: %w", entry.Name, err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("read the embedded console's %s: %w", entry.Name, err)
		}
		files[entry.Name] = newFile(data, mime.TypeByExtension(path.Ext(entry.Name)))
	}
	return files, nil
}
