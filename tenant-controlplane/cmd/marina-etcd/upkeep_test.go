package main

import (
	"testing"
	"time"
)

func TestChoreFor(t *testing.T) {
	const mib = 1 << 20
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	// A database of 100 MiB at most, half full, with ten old revisions, that was up
	// for a day.
	usual := seen{at: now, size: 50 * mib, used: 48 * mib, quota: 100 * mib, keys: 1000, revision: 1010, compacted: 1000}
	quiet := memory{started: ago(24 * time.Hour), before: usual}
	tests := []struct {
		name string
		see  func(*seen)
		know func(*memory)
		want chore
		why  string
	}{
		{"usual", nil, nil, 0, "API servers compact"},
		{"nearly full", func(s *seen) { s.size, s.used = 80*mib, 79*mib }, nil, compact, "some of it may be old"},
		{"nearly full, just compacted", func(s *seen) { s.size, s.used = 80*mib, 79*mib },
			func(m *memory) { m.compacted = mark{at: ago(5 * time.Second), freed: 50 * mib} }, 0, "it reads all of the database"},
		{"nearly full, compacted a while ago", func(s *seen) { s.size, s.used = 80*mib, 79*mib },
			func(m *memory) { m.compacted = mark{at: ago(20 * time.Second), keys: 1000, freed: 50 * mib} }, compact, "it helped the last time"},
		{"nearly full of what is alive", func(s *seen) { s.size, s.used = 80*mib, 79*mib },
			func(m *memory) { m.compacted = mark{at: ago(20 * time.Second), keys: 1000} }, 0, "it did not help the last time"},
		{"nearly full, and something was deleted", func(s *seen) { s.size, s.used, s.keys = 80*mib, 79*mib, 990 },
			func(m *memory) { m.compacted = mark{at: ago(20 * time.Second), keys: 1000} }, compact, "whoever made room waits for it"},
		{"nearly full, nothing old", func(s *seen) { s.size, s.used, s.compacted = 80*mib, 79*mib, 1010 }, nil, 0, "there is no revision to forget"},
		{"full", func(s *seen) { s.size, s.used, s.full = 100*mib, 99*mib, true }, nil, compact, "API servers cannot, as that is a write"},
		{"full of garbage", func(s *seen) { s.size, s.used, s.full, s.compacted = 100*mib, 40*mib, true, 1010 }, nil, pack, "free pages count"},
		{"full of garbage, just packed", func(s *seen) { s.size, s.used, s.full, s.compacted = 100*mib, 40*mib, true, 1010 },
			func(m *memory) { m.packed = ago(time.Second) }, 0, "it could go on like this for ever"},
		{"full of what is alive", func(s *seen) { s.size, s.used, s.full, s.compacted = 100*mib, 99*mib, true, 1010 }, nil, 0, "only deletes help"},
		{"not full, but for any large request", func(s *seen) { s.size, s.used, s.full, s.compacted = 98*mib, 98*mib, true, 1010 }, nil, 0, "the alarm would be raised again"},
		{"not full any more", func(s *seen) { s.size, s.used, s.full = 60*mib, 60*mib, true }, nil, disarm, "etcd never does it by itself"},
		{"refusing for garbage", func(s *seen) { s.size, s.used, s.compacted = 80*mib, 70*mib, 1010 }, nil, pack, "a pause is better than refusals"},
		{"refusing for garbage, packed a moment ago", func(s *seen) { s.size, s.used, s.compacted = 80*mib, 70*mib, 1010 },
			func(m *memory) { m.packed = ago(10 * time.Second) }, 0, "nothing is served meanwhile"},
		{"refusing for what is alive", func(s *seen) { s.size, s.used, s.compacted = 80*mib, 78*mib, 1010 }, nil, 0, "it would not help"},
		{"some garbage", func(s *seen) { s.size, s.used = 66*mib, 52*mib }, nil, pack, "it will be needed soon"},
		{"some garbage, packed a minute ago", func(s *seen) { s.size, s.used = 66*mib, 52*mib },
			func(m *memory) { m.packed = ago(time.Minute) }, 0, "nothing is served meanwhile"},
		{"while a copy is sent", func(s *seen) { s.size, s.used, s.copying, s.compacted = 92*mib, 60*mib, true, 1010 }, nil, 0, "everybody would wait for whoever reads it"},
		{"idle, mostly garbage", func(s *seen) { s.used = 10 * mib }, nil, pack, "for the disk's sake"},
		{"busy, mostly garbage", func(s *seen) { s.used = 10 * mib },
			func(m *memory) { m.before.revision = 900 }, 0, "there is room, and somebody is at work"},
		{"small, mostly garbage", func(s *seen) { s.size, s.used = 9*mib, mib }, nil, 0, "it is not worth a pause"},
		{"starting, mostly garbage", func(s *seen) { s.used = 10 * mib },
			func(m *memory) { m.started = ago(time.Minute) }, 0, "somebody waits for the control plane"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, m := usual, quiet
			if tt.see != nil {
				tt.see(&s)
			}
			if tt.know != nil {
				tt.know(&m)
			}
			if got := choreFor(s, m, time.Second); got != tt.want {
				t.Errorf("choreFor = %d, want %d: %s", got, tt.want, tt.why)
			}
		})
	}
}
