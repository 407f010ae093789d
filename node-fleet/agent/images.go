package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
)

// loadImages loads the archives that the machine came with into containerd, as
// soon as it answers. The file done remembers which, by content, so that a
// machine that starts again does not do it again.
//
// The images are pinned: no registry has them, so that the kubelet must never
// remove them.
func loadImages(ctx context.Context, log *slog.Logger, socket, done string) error {
	archives, err := filepath.Glob(filepath.Join(images, "*.tar"))
	if err != nil {
		return fmt.Errorf("look for images: %w", err)
	}
	slices.SortFunc(archives, byNeed)
	loaded := readLoaded(done)
	if err := waitFor(ctx, func() bool { return listens(socket) }); err != nil {
		return err
	}
	for _, archive := range archives {
		sum, err := digest(archive)
		if err != nil {
			return err
		}
		if loaded[filepath.Base(archive)] == sum {
			continue
		}
		began := time.Now()
		if err := loadImage(ctx, socket, archive); err != nil {
			return err
		}
		log.InfoContext(ctx, "image loaded", "archive", filepath.Base(archive), "took", time.Since(began).Round(time.Millisecond))
		loaded[filepath.Base(archive)] = sum
		if err := writeLoaded(done, loaded); err != nil {
			return err
		}
	}
	return nil
}

// byNeed orders archives by when a fresh node needs them.
func byNeed(a, b string) int {
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

func rank(archive string) int {
	for i, prefix := range []string{"pause", "coredns", "metrics-server"} {
		if strings.HasPrefix(filepath.Base(archive), prefix) {
			return i
		}
	}
	return 3
}

// sandboxImage returns the name of the image of every pod's first container.
func sandboxImage() (string, error) {
	text, err := os.ReadFile(imageNames)
	if err != nil {
		return "", fmt.Errorf("read names of images: %w", err)
	}
	var names struct{ Pause string }
	if err := json.Unmarshal(text, &names); err != nil {
		return "", fmt.Errorf("read names of images: %s: %w", imageNames, err)
	}
	if names.Pause == "" {
		return "", fmt.Errorf("read names of images: %s does not name pause", imageNames)
	}
	return names.Pause, nil
}

// loadImage has ctr read the archive itself (--local): sending it to containerd's
// transfer service takes twice the time of a processor.
func loadImage(ctx context.Context, socket, archive string) error {
	cmd := exec.CommandContext(ctx, "/usr/bin/ctr", "--address", socket, "--namespace", "k8s.io",
		"images", "import", "--local", "--snapshotter", snapshotter(), "--label", "io.cri-containerd.pinned=pinned", archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load image %s: ctr: %w: %s", filepath.Base(archive), err, out)
	}
	return nil
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read image: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readLoaded returns what was loaded before; nothing when that is unknown, which
// only costs time.
func readLoaded(path string) map[string]string {
	loaded := map[string]string{}
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &loaded) != nil {
		return map[string]string{}
	}
	return loaded
}

func writeLoaded(path string, loaded map[string]string) error {
	text, err := json.Marshal(loaded)
	if err != nil {
		return fmt.Errorf("remember loaded images: %w", err)
	}
	return enroll.Write(path, text, 0o600)
}
