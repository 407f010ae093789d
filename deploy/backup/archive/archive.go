// Package archive is the file that a backup is: parts with names, in one stream
// that only the holder of a secret key can read.
//
// It is a tar file, compressed with zstd and encrypted with age
// (https://age-encryption.org/v1), so that no Marina is needed to look inside:
//
//	age -d -i IDENTITY FILE | zstd -d | tar t
//
// The first entry, header.json, says which version of this format follows. Then
// come the parts. The last entry, manifest.json, lists them with their sizes and
// SHA-256 digests: an archive without it was cut off, whatever else is right
// about it. age itself authenticates every 64 KiB and the end.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Format is the version of the format that is written. It counts up when older
// programs would misread an archive; all older versions are still read.
const Format = 1

const (
	headerName   = "header.json"
	manifestName = "manifest.json"
	maxJSON      = 64 << 20 // bytes; a manifest of a hundred thousand clusters has 30 MB
)

// Header is what is known when an archive is begun.
type Header struct {
	Format  int       `json:"format"`
	Marina  string    `json:"marina"` // version of the program that wrote it
	Created time.Time `json:"created"`
}

// Manifest is the table of contents, known when all is written.
type Manifest struct {
	Header
	Schema   int64     `json:"schema"`          // version of the database's schema
	Vault    string    `json:"vault,omitempty"` // the Vault without which nothing in it opens, for people
	Clusters []Cluster `json:"clusters"`
	Parts    []Part    `json:"parts"`
}

// Part is one named piece of data.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// State says what the archive holds of a cluster's data.
type State string

// The states of a cluster in an archive.
const (
	Saved   State = "saved"   // all of it
	Empty   State = "empty"   // there was none yet: the cluster was being made
	Leaving State = "leaving" // it was being deleted, so its data was left out
	Missing State = "missing" // it could not be copied; Reason says why
)

// Cluster is what the archive knows of one cluster.
type Cluster struct {
	ID           tenant.ClusterID      `json:"id"`
	Organization tenant.OrganizationID `json:"organization"`
	Name         string                `json:"name"`
	Version      string                `json:"version"` // of Kubernetes, such as "1.37"
	State        State                 `json:"state"`
	Revision     int64                 `json:"revision,omitempty"` // of etcd; the copy holds this one, and may hold later ones
	Reason       string                `json:"reason,omitempty"`
}

// Incomplete returns the clusters whose data is missing.
func (m Manifest) Incomplete() (missing []Cluster) {
	for _, c := range m.Clusters {
		if c.State == Missing {
			missing = append(missing, c)
		}
	}
	return missing
}

// Holds reports whether the archive has a part of this name.
func (m Manifest) Holds(name string) bool {
	for _, p := range m.Parts {
		if p.Name == name {
			return true
		}
	}
	return false
}

// What can be wrong with an archive. The messages are for operators.
var (
	ErrIdentity = errors.New("the identity does not open this archive: it was encrypted for another recipient")
	ErrDamaged  = errors.New("the archive is damaged: it was cut off or altered")
	ErrNewer    = errors.New("the archive was written by a newer Marina: use that one")
	ErrForeign  = errors.New("this is no backup of Marina")
)

// check returns what the manifest and the parts that were really there disagree on.
func (m Manifest) check(h Header, found []Part) error {
	if m.Format != h.Format || m.Marina != h.Marina || !m.Created.Equal(h.Created) {
		return fmt.Errorf("%w: its two ends belong to different archives", ErrDamaged)
	}
	if len(m.Parts) != len(found) {
		return fmt.Errorf("%w: it holds %d parts and lists %d", ErrDamaged, len(found), len(m.Parts))
	}
	for i, p := range m.Parts {
		if found[i] != p {
			return fmt.Errorf("%w: the part %s is not what the manifest says", ErrDamaged, p.Name)
		}
	}
	return nil
}

// validName keeps the names of parts to what is safe as a path below a directory.
func validName(name string) bool {
	if name == headerName || name == manifestName || len(name) > 200 {
		return false
	}
	for elem := range strings.SplitSeq(name, "/") {
		if elem == "" || elem == "." || elem == ".." || strings.ContainsFunc(elem, func(r rune) bool {
			return r > 0x7e || r <= 0x20 || r == '\\'
		}) {
			return false
		}
	}
	return true
}

func encode(v any) []byte {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("archive: plain data cannot be encoded: %v", err)) // it always can
	}
	return append(data, '\n')
}
