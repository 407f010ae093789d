package ociimage_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/deploy/build/internal/ociimage"
)

func image(t *testing.T) ociimage.Image {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(bin, []byte("ELF"), 0o700); err != nil {
		t.Fatal(err)
	}
	return ociimage.Image{
		Name: "marina.local/test:v1", Arch: "amd64", Entrypoint: []string{"/usr/bin/program"}, User: "1:2",
		Files: []ociimage.File{
			{Path: "/usr/bin/program", Source: bin},
			{Path: "/usr/bin/alias", Link: "program"},
			{Path: "/etc/passwd", Content: "root", Mode: 0o644},
			{Path: "/tmp", Dir: true, Mode: 0o1777},
		},
	}
}

// read returns the files of a tar and, of each, a line that describes it.
func read(t *testing.T, archive []byte) (files map[string][]byte, lines []string) {
	t.Helper()
	files = map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, lines
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = content
		lines = append(lines, strings.TrimSpace(h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname))
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := ociimage.Write(&out, image(t)); err != nil {
		t.Fatal(err)
	}
	files, _ := read(t, out.Bytes())
	for name, content := range files {
		if sum, ok := strings.CutPrefix(name, "blobs/sha256/"); ok {
			if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != sum {
				t.Errorf("%s does not have the content that its name says", name)
			}
		}
	}
	follow := func(digest string, into any) []byte {
		content, ok := files["blobs/sha256/"+strings.TrimPrefix(digest, "sha256:")]
		if !ok {
			t.Fatalf("there is no blob %s", digest)
		}
		if into != nil {
			if err := json.Unmarshal(content, into); err != nil {
				t.Fatal(err)
			}
		}
		return content
	}
	var index struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != "marina.local/test:v1" {
		t.Errorf("containerd would call the image %q", got)
	}
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	follow(index.Manifests[0].Digest, &manifest)
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
		}
		Rootfs struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	follow(manifest.Config.Digest, &config)
	if config.Config.User != "1:2" || !cmp.Equal(config.Config.Entrypoint, []string{"/usr/bin/program"}) {
		t.Errorf("config: %+v", config)
	}
	if !cmp.Equal(config.Rootfs.DiffIDs, []string{manifest.Layers[0].Digest}) {
		t.Errorf("layer %s has diff id %v; an uncompressed layer has its own digest", manifest.Layers[0].Digest, config.Rootfs.DiffIDs)
	}
	_, lines := read(t, follow(manifest.Layers[0].Digest, nil))
	want := []string{
		"drwxr-xr-x etc/",
		"-rw-r--r-- etc/passwd",
		"dtrwxrwxrwx tmp/",
		"drwxr-xr-x usr/",
		"drwxr-xr-x usr/bin/",
		"Lrwxrwxrwx usr/bin/alias program",
		"-rwxr-xr-x usr/bin/program",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func TestSameImageSameBytes(t *testing.T) {
	t.Parallel()
	var first, second bytes.Buffer
	if err := errors.Join(ociimage.Write(&first, image(t)), ociimage.Write(&second, image(t))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of one image differ")
	}
}

func TestImageWithoutTag(t *testing.T) {
	t.Parallel()
	err := ociimage.Write(io.Discard, ociimage.Image{Name: "host:5000/test"})
	if err == nil || !strings.Contains(err.Error(), "no tag") {
		t.Errorf("got %v; want an error that says that the tag is missing", err)
	}
}
