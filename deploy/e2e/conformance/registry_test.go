//go:build integration

package conformance_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/marina-cloud/marina/deploy/artifacts"
)

// mirror serves the images that upstream's tests name, as far as they are built.
func mirror(t *testing.T, suite string) (url string) {
	t.Helper()
	images, err := artifacts.Path(artifacts.TestImages)
	check(t, err)
	blobs := registry.WithBlobHandler(registry.NewDiskBlobHandler(t.TempDir()))
	server := httptest.NewServer(registry.New(blobs, registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	built := map[string]v1.Image{}
	for _, ref := range listImages(t, suite) {
		_, repository, ok := strings.Cut(ref, "/")
		short, _, tagged := strings.Cut(path.Base(repository), ":")
		if !ok || !tagged {
			continue
		}
		archive := filepath.Join(images, short+".tar")
		if _, err := os.Stat(archive); err != nil {
			continue // no test of specs.txt needs it, or that test fails
		}
		if built[short] == nil {
			built[short] = read(t, archive)
		}
		target, err := name.ParseReference(host+"/"+repository, name.Insecure)
		check(t, err)
		// Two versions of an image must differ in their digest, as upstream's do.
		labelled, err := mutate.Config(built[short], config(t, built[short], ref))
		check(t, err)
		check(t, remote.Write(target, labelled, remote.WithContext(t.Context())))
	}
	return server.URL
}

func config(t *testing.T, img v1.Image, ref string) v1.Config {
	t.Helper()
	file, err := img.ConfigFile()
	check(t, err)
	c := file.Config
	c.Labels = map[string]string{"name": ref}
	return c
}

// read returns the image of an OCI layout in a tar.
func read(t *testing.T, archive string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", archive, err, out)
	}
	index, err := layout.ImageIndexFromPath(dir)
	check(t, err)
	manifest, err := index.IndexManifest()
	check(t, err)
	img, err := index.Image(manifest.Manifests[0].Digest)
	check(t, err)
	return img
}

// listImages asks upstream's tests which images they use.
func listImages(t *testing.T, suite string) []string {
	t.Helper()
	out, err := run(t.Context(), suite, "--list-images")
	check(t, err)
	return strings.Fields(out)
}

func run(ctx context.Context, program string, args ...string) (string, error) {
	var errs strings.Builder
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, errs.String())
	}
	return string(out), nil
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
