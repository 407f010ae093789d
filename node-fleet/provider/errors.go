package provider

import "errors"

// ErrNoMachine is returned for a machine that does not exist.
var ErrNoMachine = errors.New("no such machine")
