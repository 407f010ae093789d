// Package conformance runs a fixed part of Kubernetes' own conformance tests, as
// upstream wrote them, against a fresh cluster with two nodes. specs.txt lists it:
// tests of every part of Kubernetes that a hosting layer could get wrong.
//
// Upstream's tests and the images that they use are built from module
// deploy/conformance and from Debian packages (deploy/build). Nodes pull the
// images through the platform from a registry that the test serves.
package conformance
