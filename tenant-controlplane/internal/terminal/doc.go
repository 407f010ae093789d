// Package terminal runs shells for people, each in a container of its own.
//
// A terminal has kubectl, a credential of the person who opened it, and a network in
// which there is nothing but the API server of one cluster: the listener that leads
// there is made in the container's namespace by this process, so that nothing of the
// host is visible in the container, not even a socket. It has a user id that nothing
// else has, no capability, a root that cannot be written to, and little memory.
//
// A terminal ends with this process: its other end is closed then, and whoever comes
// next removes what is left (Sweep).
package terminal
