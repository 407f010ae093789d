// Package server puts an installation together: it is the one place that knows
// every context, starts what is embedded, and hands each context what it needs of
// the others.
package server
