// Package console tests the console in a real browser, against a whole installation.
// It needs root, what `make build` makes, and Debian's Chromium.
package console
