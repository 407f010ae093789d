// Package throttle shares out what more want than can have: places, which are
// given back, and rates, which come back with time. It decides and does nothing
// else: no clock, no network.
package throttle
