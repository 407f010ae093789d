// Package ociimage writes container images as OCI image layouts in a tar, which
// `ctr images import` reads, with a single uncompressed layer: nothing is sent
// over a network, and a node unpacks it as fast as it reads it.
//
// The same image always gives the same bytes.
//
// Source: https://github.com/opencontainers/image-spec (image-layout.md, config.md).
package ociimage

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// File is a file, link or directory of an image. Parent directories need not be
// listed. All files belong to root.
type File struct {
	Path    string // absolute
	Mode    int64  // permissions; 0 means 0755
	Source  string // the file to copy the content from, or
	Content string // the content, or
	Link    string // the target of a symbolic link, or
	Dir     bool   // a directory
}

// Image is one image of one platform.
type Image struct {
	Name       string // with a tag: "marina.local/pause:3.10"
	Arch       string // as in GOARCH
	Entrypoint []string
	Cmd        []string
	User       string // "uid:gid"; empty means root
	Files      []File
}

const (
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Write writes the image to w. It holds the layer in memory meanwhile.
func Write(w io.Writer, img Image) error {
	_, tag, ok := strings.Cut(path.Base(img.Name), ":")
	if !ok {
		return fmt.Errorf("image %q: the name has no tag", img.Name)
	}
	layer, err := layer(img.Files)
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": img.Arch,
		"os":           "linux",
		"config": map[string]any{
			"User":       img.User,
			"Env":        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			"Entrypoint": img.Entrypoint,
			"Cmd":        img.Cmd,
			"WorkingDir": "/",
		},
		// The layer is not compressed, so its digest is that of its content.
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     typeManifest,
		"config":        describe(typeConfig, config),
		"layers":        []descriptor{describe(typeLayer, layer)},
	})
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	top := describe(typeManifest, manifest)
	top.Annotations = map[string]string{
		"io.containerd.image.name":          img.Name, // read by ctr images import
		"org.opencontainers.image.ref.name": tag,
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []descriptor{top}})
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}

	archive := tar.NewWriter(w)
	for _, f := range []struct {
		name    string
		content []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", index},
		{blob(manifest), manifest},
		{blob(config), config},
		{blob(layer), layer},
	} {
		if err := archive.WriteHeader(header(f.name, 0o644, tar.TypeReg, int64(len(f.content)))); err != nil {
			return fmt.Errorf("write image %s: %w", img.Name, err)
		}
		if _, err := archive.Write(f.content); err != nil {
			return fmt.Errorf("write image %s: %w", img.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write image %s: %w", img.Name, err)
	}
	return nil
}

// layer returns the tar of files, sorted by path, with their parent directories.
func layer(files []File) ([]byte, error) {
	all := map[string]File{}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "/"; dir = path.Dir(dir) {
			if _, ok := all[dir]; !ok {
				all[dir] = File{Path: dir, Dir: true}
			}
		}
		all[f.Path] = f
	}
	sorted := make([]File, 0, len(all))
	for _, f := range all {
		sorted = append(sorted, f)
	}
	slices.SortFunc(sorted, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })

	var buf bytes.Buffer
	archive := tar.NewWriter(&buf)
	for _, f := range sorted {
		if err := add(archive, f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func add(archive *tar.Writer, f File) error {
	name, mode := strings.TrimPrefix(f.Path, "/"), f.Mode
	if mode == 0 {
		mode = 0o755
	}
	switch {
	case f.Dir:
		return archive.WriteHeader(header(name+"/", mode, tar.TypeDir, 0))
	case f.Link != "":
		h := header(name, 0o777, tar.TypeSymlink, 0)
		h.Linkname = f.Link
		return archive.WriteHeader(h)
	}
	content := []byte(f.Content)
	if f.Source != "" {
		var err error
		if content, err = os.ReadFile(f.Source); err != nil {
			return err
		}
	}
	if err := archive.WriteHeader(header(name, mode, tar.TypeReg, int64(len(content)))); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

// header leaves out everything that would differ from one build to the next.
func header(name string, mode int64, kind byte, size int64) *tar.Header {
	return &tar.Header{Name: name, Mode: mode, Typeflag: kind, Size: size, Format: tar.FormatPAX}
}

func describe(mediaType string, content []byte) descriptor {
	return descriptor{MediaType: mediaType, Digest: digest(content), Size: len(content)}
}

func digest(content []byte) string { return "sha256:" + hexSum(content) }

func blob(content []byte) string { return "blobs/sha256/" + hexSum(content) }

func hexSum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
