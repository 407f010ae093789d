package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

var created = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// write makes an archive of parts, in the order of their names.
func write(t *testing.T, id *age.X25519Identity, m Manifest, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, []age.Recipient{id.Recipient()}, "1.2.3", created)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		if err := w.Part("dir/part-"+string(rune('a'+i)), int64(len(p)), strings.NewReader(p)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read1(data []byte, id age.Identity) (Manifest, map[string]string, error) {
	got := map[string]string{}
	m, err := Read(bytes.NewReader(data), []age.Identity{id}, func(p Part, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[p.Name] = string(b)
		return err
	})
	return m, got, err
}

// long is larger than one of age's blocks, and does not compress well.
func long() string {
	var b strings.Builder
	for x := uint32(1); b.Len() < 200_000; x = x*1664525 + 1013904223 {
		b.WriteByte(byte(x >> 24))
	}
	return b.String()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	id := identity(t)
	want := Manifest{Schema: 9, Clusters: []Cluster{
		{ID: "kc-1", Organization: "org-1", Name: "a", Version: "1.37", State: Saved, Revision: 7},
		{ID: "kc-2", Organization: "org-1", Name: "b", Version: "1.37", State: Missing, Reason: "etcd does not answer"},
	}}
	data := write(t, id, want, "first", "", long())
	m, got, err := read1(data, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"dir/part-a": "first", "dir/part-b": "", "dir/part-c": long()}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Clusters, m.Clusters); diff != "" || m.Schema != 9 {
		t.Errorf("schema %d, clusters: %s", m.Schema, diff)
	}
	if m.Marina != "1.2.3" || !m.Created.Equal(created) || m.Format != Format {
		t.Errorf("header %+v", m.Header)
	}
	if missing := m.Incomplete(); len(missing) != 1 || missing[0].ID != "kc-2" {
		t.Errorf("missing: %v", missing)
	}
	if bytes.Contains(data, []byte("first")) || bytes.Contains(data, []byte("kc-1")) {
		t.Error("the archive can be read without a key")
	}
}

// TestTruncated: an archive that was cut off anywhere is refused.
func TestTruncated(t *testing.T) {
	t.Parallel()
	id := identity(t)
	data := write(t, id, Manifest{}, "first", long())
	for n := range data {
		if n > 600 && n < len(data)-600 && n%97 != 0 && n%(64<<10) > 4 {
			continue // every length near the ends and at age's blocks, and a sample between
		}
		if _, _, err := read1(data[:n], id); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Fatalf("%d of %d bytes: %v, want a refusal", n, len(data), err)
		}
	}
	if _, _, err := read1(append(data, 0), id); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a byte behind its end: %v", err)
	}
}

// TestAltered: a byte that is not as it was written is noticed.
func TestAltered(t *testing.T) {
	t.Parallel()
	id := identity(t)
	data := write(t, id, Manifest{}, "first", long())
	for n := range data {
		if n > 400 && n%211 != 0 {
			continue
		}
		bad := bytes.Clone(data)
		bad[n] ^= 0x01
		if _, _, err := read1(bad, id); err == nil {
			t.Fatalf("byte %d of %d was altered, and nobody noticed", n, len(data))
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	id := identity(t)
	good := write(t, id, Manifest{}, "x")
	// forged encrypts what it likes: whoever knows the public key can.
	forged := func(entries ...string) []byte {
		var out bytes.Buffer
		a, err := age.Encrypt(&out, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewWriter(a)
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(z)
		for i := 0; i < len(entries); i += 2 {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: entries[i], Size: int64(len(entries[i+1]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, entries[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), z.Close(), a.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	header := `{"format":1,"marina":"1","created":"2026-11-24T08:00:00Z"}`
	empty := `{"format":1,"marina":"1","created":"2026-11-24T08:00:00Z","parts":[]}`
	for name, tc := range map[string]struct {
		why  string
		data []byte
		id   age.Identity
		want error
	}{
		"Identity":    {"somebody else's key", good, identity(t), ErrIdentity},
		"Text":        {"a file of another kind", []byte("hello, world\n"), id, ErrForeign},
		"Nothing":     {"a full disk leaves such files", nil, id, ErrForeign},
		"Newer":       {"its parts may mean something else", forged(headerName, `{"format":2,"marina":"9.0"}`), id, ErrNewer},
		"OtherAge":    {"age encrypts other things, too", forged("hello", "x"), id, ErrForeign},
		"NoManifest":  {"it was cut off before it was encrypted", forged(headerName, header, "part", "x"), id, ErrDamaged},
		"Extra":       {"a part that nobody lists", forged(headerName, header, "part", "x", manifestName, empty), id, ErrDamaged},
		"Outside":     {"a name that leads out of the directory it is unpacked in", forged(headerName, header, "../x", "x", manifestName, empty), id, ErrDamaged},
		"Behind":      {"what follows the manifest is not in it", forged(headerName, header, manifestName, empty, "part", "x"), id, ErrDamaged},
		"OtherHeader": {"ends of two archives", forged(headerName, header, manifestName, strings.Replace(empty, `"1"`, `"2"`, 1)), id, ErrDamaged},
		"Garbage":     {"a manifest that is none", forged(headerName, header, manifestName, "{"), id, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := read1(tc.data, tc.id); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %q: %s", err, tc.want, tc.why)
			}
		})
	}
	if _, _, err := read1(forged(headerName, header, manifestName, empty), id); err != nil {
		t.Errorf("the forger makes nothing that would be accepted: %v", err)
	}
}

func TestReadReturnsTheCallersError(t *testing.T) {
	t.Parallel()
	id := identity(t)
	full := errors.New("no space left on device")
	_, err := Read(bytes.NewReader(write(t, id, Manifest{}, "x")), []age.Identity{id}, func(Part, io.Reader) error { return full })
	if !errors.Is(err, full) || errors.Is(err, ErrDamaged) {
		t.Errorf("error = %v, want the caller's own", err)
	}
	broken := io.MultiReader(bytes.NewReader(write(t, id, Manifest{}, long())[:9000]), &failing{full})
	if _, err := Read(broken, []age.Identity{id}, func(Part, io.Reader) error { return nil }); !errors.Is(err, full) || errors.Is(err, ErrDamaged) {
		t.Errorf("error = %v, want that of the disk", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestPartRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		size int64
		why  string
	}{
		{"../x", 1, "it would be unpacked outside"},
		{"/x", 1, "the same"},
		{"a//b", 1, "two names for one file"},
		{manifestName, 1, "it would be taken for the end"},
		{"again", 1, "there is one already"},
		{"short", 2, "the source ended early, and the size is written by then"},
	} {
		w, err := NewWriter(io.Discard, []age.Recipient{identity(t).Recipient()}, "1", created)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Part("again", 1, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if err := w.Part(tc.name, tc.size, strings.NewReader("x")); err == nil {
			t.Errorf("%s was accepted: %s", tc.name, tc.why)
		}
	}
}
