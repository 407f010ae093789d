// Package enroll makes a machine a node: it speaks the node API of package join,
// and keeps what it was told, and the keys that it made, in a directory.
//
// The directory is of mode 0700 and its files of 0600. Each is replaced as a
// whole, and the file that says that the machine has joined is written last, so
// that a crash leaves either a machine that joins (with the same keys) or one
// that has joined.
package enroll
