// Package report is what the probe tells tests about its container.
package report

// Report is what a program sees of the container that it runs in.
type Report struct {
	PID         int // its own
	Hostname    string
	Interfaces  []string          // of the network
	Up          []string          // those that are up
	Status      map[string]string // /proc/self/status
	Entries     []string          // of /
	Devices     []string          // of /dev
	Environment []string
	Namespaces  map[string]string // /proc/self/ns, by kind
	Mounts      map[string]string // options of /proc/self/mountinfo, by where they are

	// The errors of what it tried; empty where it worked.
	RootWrite     string // make a file in /
	TmpWrite      string // make a file in /tmp
	BinaryWrite   string // write to its own program
	ReadOnlyWrite string // make a file in /run/readonly
	Outside       string // connect to an address of another network
	Loopback      string // listen on 127.0.0.1
	Mount         string // mount a file system
	Unshare       string // make a user namespace
}
