package controlplane

import (
	"strings"
	"testing"
)

// TestSmallFits: limits that do not fit one another would kill a cluster that keeps
// to each of them.
func TestSmallFits(t *testing.T) {
	l := Small()
	for name, m := range map[string]Mark{"objects": l.Objects, "database": l.Database} {
		if m.Soft <= 0 || m.Soft >= m.Reserve {
			t.Errorf("%s: %+v, want something refused at Soft, and more at Reserve", name, m)
		}
	}
	if l.Database.Reserve >= l.DatabaseFile {
		t.Errorf("the cluster's own writes end at %d bytes, and etcd's at %d: nothing is left for deletes", l.Database.Reserve, l.DatabaseFile)
	}
	// The API server keeps all objects decoded, beside 150 MiB of its own, and its
	// heap may be half garbage.
	if need := 2 * (l.Database.Soft + 150<<20); need > l.Stack.MemoryBytes {
		t.Errorf("a full database needs %d MiB in the API server, which has %d", need>>20, l.Stack.MemoryBytes>>20)
	}
	if l.DatabaseFile > l.Etcd.MemoryBytes {
		t.Errorf("etcd maps a file of %d bytes, and may use %d", l.DatabaseFile, l.Etcd.MemoryBytes)
	}
}

func TestComplaint(t *testing.T) {
	l := Small()
	for _, tt := range []struct {
		name string
		u    Usage
		want string // part of it; empty: no complaint
	}{
		{"fresh", Usage{Size: 1 << 20, Keys: 300}, ""},
		{"nearly", Usage{Size: l.Database.Soft - 1, Keys: l.Objects.Soft - 1}, ""},
		{"data", Usage{Size: l.Database.Soft}, "creates and growth are refused"},
		{"much data", Usage{Size: l.Database.Reserve}, "only deletes"},
		{"objects", Usage{Keys: l.Objects.Soft}, "(50000): creates are refused"},
		{"full", Usage{Size: l.Database.Soft, Full: true}, "nothing can be written"},
	} {
		got := l.Complaint(tt.u)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
