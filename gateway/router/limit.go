package router

import (
	"container/list"
	"sync"
)

// counted limits how many connections there are, all together and for each
// destination.
type counted struct {
	max, maxEach int

	mu   sync.Mutex
	all  int
	each map[destination]int
}

// enter counts a connection; leave must follow if, and only if, ok.
func (c *counted) enter() (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.max {
		return false
	}
	c.all++
	return true
}

func (c *counted) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
}

// enterFor counts a connection for d; leaveFor must follow if, and only if, ok.
func (c *counted) enterFor(d destination) (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.each[d] >= c.maxEach {
		return false
	}
	c.each[d]++
	return true
}

func (c *counted) leaveFor(d destination) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.each[d]--; c.each[d] == 0 {
		delete(c.each, d)
	}
}

func (c *counted) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// queue bounds how many clients may be in their handshake. When it is full the
// oldest has to go: an honest handshake takes one round trip, so the oldest is
// most likely one that is held open on purpose, and whoever holds many open
// only pushes out their own.
type queue struct {
	max int

	mu    sync.Mutex
	order list.List // of func(), oldest first
}

// enter takes a place; cut, which must not block, is called if it has to be
// given up. The returned function gives the place back, and may be called again;
// after it has returned, cut is not called.
func (q *queue) enter(cut func()) (leave func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.order.Len() >= q.max {
		q.order.Remove(q.order.Front()).(func())()
	}
	mine := q.order.PushBack(cut)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.order.Remove(mine) // does nothing when it is gone already
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.order.Len()
}
