package controlplane

import "slices"

// Version is a Kubernetes minor that can be asked for.
type Version struct {
	Minor string // as customers write it, such as "1.37"
	Full  string // what runs, such as "v1.37.2"
}

// versions are the offered minors, the newest first. The newest is the default.
// A released row's Full changes with the patch release that is built; a new row
// needs a go.mod of its own in the module that builds Kubernetes.
var versions = []Version{
	{Minor: "1.37", Full: "v1.37.2"},
}

// Versions returns what can be asked for, the newest first.
func Versions() []Version { return slices.Clone(versions) }

// DefaultVersion is the minor that a cluster gets when none is asked for.
func DefaultVersion() Version { return versions[0] }

// FindVersion returns the offered version with this minor.
func FindVersion(minor string) (Version, bool) {
	i := slices.IndexFunc(versions, func(v Version) bool { return v.Minor == minor })
	if i < 0 {
		return Version{}, false
	}
	return versions[i], true
}
