package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// parts are components that run side by side. None may end before it is told to.
type parts struct {
	// ended receives the first end, as an error that names the part.
	ended chan error
	group sync.WaitGroup
}

func newParts() *parts { return &parts{ended: make(chan error, 1)} }

func (p *parts) start(name string, run func() error) {
	p.group.Add(1)
	go func() {
		defer p.group.Done()
		err := run()
		if errors.Is(err, errStarted) {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		select {
		case p.ended <- fmt.Errorf("%s: %w", name, err):
		default: // another ended first, and that is what to report
		}
	}()
}

// wait waits until all parts have ended, patience is over or another signal comes,
// and tells whether they have.
func (p *parts) wait(patience <-chan time.Time, signals <-chan os.Signal) bool {
	done := make(chan struct{})
	go func() {
		p.group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-patience:
		return false
	case <-signals:
		return false
	}
}
