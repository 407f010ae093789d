// Package host is what one installation is on its machine as a whole: whether it
// runs, the process of its router, and how to take everything of it away again.
package host
