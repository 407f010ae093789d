// Package e2e tests a whole installation through what its users have: the command
// line, the REST API and kubectl. It needs root and what `make build` makes.
package e2e
