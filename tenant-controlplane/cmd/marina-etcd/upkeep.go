package main

import "time"

// seen is what is known of the database at one moment.
type seen struct {
	at        time.Time
	size      int64 // of the database, pages that are free included, in bytes: what etcd's quota bounds
	used      int64 // of the pages that hold something, old revisions included
	quota     int64 // at which etcd refuses writes and raises its alarm
	keys      int   // as of the last count
	revision  int64 // the newest
	compacted int64 // before this one, no revision can be asked for
	full      bool  // the alarm is raised: etcd refuses everything but deletes until it is lowered
	copying   bool  // somebody is being sent a copy, which a defragmentation would have to wait for
}

// memory is what upkeep remembers of what it did.
type memory struct {
	started   time.Time
	before    seen // one look ago
	compacted mark // how things stood after the last compaction
	packed    time.Time
}

type mark struct {
	at    time.Time
	keys  int
	freed int64 // bytes
}

// chore is one thing that keeps the database in order.
type chore int

const (
	compact chore = iota + 1 // forget the revisions that were old at the last look
	pack                     // defragment: give free pages back; nothing is served meanwhile
	disarm                   // lower the alarm
)

// room is what must be free before the alarm is lowered: more than the largest
// request, or it would be raised again at once.
const room = 4 << 20

// Every time below is in looks, which are a second apart; a test looks more often.
const (
	compactFull   = 1
	compactTight  = 10      // while writes are refused, old revisions are worth looking for
	compactVain   = 2 * 60  // when there were none the last time
	packFull      = 5       // nothing can be written, so nobody minds a pause
	packRefused   = 30      // writes are refused, for garbage
	packTight     = 5 * 60  // a pause every now and then is better than that
	packIdle      = 60 * 60 // and otherwise only for the disk's sake
	packFirst     = 10 * 60 // not while a control plane starts
	idleRevisions = 5       // written between two looks
)

// choreFor says what to do next, or 0. API servers compact every five minutes; what
// is done here is for a database that fills faster than that, and for what they
// never do.
//
// etcd's quota bounds the size of the file, and it does not count free pages as
// free: a database of which a half is garbage is as full as any. So is what comes
// before that quota (at 80 %, in the API server). Large objects leave a fifth of
// garbage by being written alone: the file grows, as they need pages in a row.
func choreFor(s seen, m memory, look time.Duration) chore {
	rested := func(since time.Time, looks int) bool { return s.at.Sub(since) >= time.Duration(looks)*look }
	free := s.size - s.used
	fresh := m.before.revision > s.compacted // else there is nothing old to forget
	switch {
	case s.full && s.size+room <= s.quota:
		return disarm
	case s.full && fresh && rested(m.compacted.at, compactFull):
		return compact
	case s.size >= part(s.quota, 70) && fresh && rested(m.compacted.at, compactRest(s, m)):
		return compact
	case s.copying:
		return 0
	case s.full && free >= part(s.quota, 3) && rested(m.packed, packFull):
		return pack
	case s.size >= part(s.quota, 78) && free >= part(s.quota, 4) && rested(m.packed, packRefused):
		return pack
	case s.size >= part(s.quota, 65) && free >= part(s.quota, 10) && rested(m.packed, packTight):
		return pack
	case s.size >= part(s.quota, 10) && free >= s.size/2 && s.revision-m.before.revision <= idleRevisions &&
		rested(m.packed, packIdle) && rested(m.started, packFirst):
		return pack
	}
	return 0
}

// compactRest is how long to leave a database that is nearly full alone. To compact
// is to read all of it, which is for nothing while all that it holds is alive.
func compactRest(s seen, m memory) int {
	if m.compacted.freed < part(s.quota, 1) && s.keys >= m.compacted.keys && !m.compacted.at.IsZero() {
		return compactVain
	}
	return compactTight
}

func part(whole int64, percent int64) int64 { return whole / 100 * percent }
