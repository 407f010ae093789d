// Package archtest holds the rules of the whole tree as tests: which package may
// know which, what every package says of itself, and what may not be in the tree.
package archtest
