// Package clusterlog reads the logs of a control plane for its owner.
//
// The files are written by the tenant's processes, which may be in the hands of an
// attacker: no more is read, kept in memory or sent than the bounds here, and no
// path in a directory that a tenant can write to is trusted.
package clusterlog

import (
	"bytes"
	"encoding/json"
	"regexp"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// header is how klog begins a line: severity, month and day, time, thread, place
// (https://github.com/kubernetes/klog, formatHeader). A line without one goes on
// with what the line before it said.
var header = regexp.MustCompile(`^[IWEF](\d{4} \d{2}:\d{2}:\d{2}\.\d{6}) +\d+ [^\]]*\] `)

// signature is what package kubernetes makes its components sign with.
var signature = regexp.MustCompile(` logger="kube-(controller-manager|scheduler)[".]`)

// format says how the lines of a log are to be read.
type format struct {
	// begins reports whether a line begins a record, and when that was written;
	// the time is zero when it says none. Now tells the year of a line without one.
	begins func(line []byte, now time.Time) (at time.Time, ok bool)
	// belongs reports whether a record is of the component.
	belongs func(line []byte, c controlplane.Component) bool
}

func formatOf(c controlplane.Component) format {
	all := func([]byte, controlplane.Component) bool { return true }
	switch c {
	case controlplane.Etcd:
		return format{jsonTime("ts"), all}
	case controlplane.Audit:
		return format{jsonTime("stageTimestamp"), all}
	}
	return format{klogTime, func(line []byte, c controlplane.Component) bool { return signedBy(line) == c }}
}

// signedBy is the component that wrote a line of the process that runs three.
func signedBy(line []byte) controlplane.Component {
	m := signature.FindSubmatch(line)
	if m == nil {
		return controlplane.APIServer
	}
	return controlplane.Component(m[1])
}

func klogTime(line []byte, now time.Time) (time.Time, bool) {
	m := header.FindSubmatch(line)
	if m == nil {
		return time.Time{}, false
	}
	at, err := time.Parse("0102 15:04:05.000000", string(m[1])) // a container's clock is UTC
	if err != nil {
		return time.Time{}, true
	}
	at = at.AddDate(now.Year()-at.Year(), 0, 0)
	if at.After(now.Add(24 * time.Hour)) { // written before New Year
		at = at.AddDate(-1, 0, 0)
	}
	return at, true
}

// jsonTime reads a field of a line of JSON. One that is none, such as what a
// crashing process says, begins a record without a time.
func jsonTime(field string) func([]byte, time.Time) (time.Time, bool) {
	mark := []byte(`"` + field + `":`)
	return func(line []byte, _ time.Time) (at time.Time, ok bool) {
		if _, rest, found := bytes.Cut(line, mark); found {
			_ = json.NewDecoder(bytes.NewReader(rest)).Decode(&at) // zero when it is no time
		}
		return at, true
	}
}
