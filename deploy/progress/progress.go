// Package progress tells a person what is happening and how long it took. On a
// terminal the line of the present step is redrawn with a running clock; elsewhere
// there is one line when a step begins to take long and one when it ends.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// Log draws steps, one after the other. It is safe for concurrent use.
type Log struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	width    int
	now      func() time.Time
}

// New returns a log on w.
func New(w io.Writer) *Log {
	l := &Log{w: w, now: time.Now, width: 80}
	if f, ok := w.(*os.File); ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())) {
		l.terminal = true
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			l.width = width
		}
	}
	return l
}

// Step is something that takes time.
type Step struct {
	log     *Log
	title   string
	detail  string
	began   time.Time
	stop    chan struct{}
	stopped sync.WaitGroup
}

// Begin starts a step; the caller ends it with Done or Failed.
func (l *Log) Begin(format string, args ...any) *Step {
	s := &Step{log: l, title: fmt.Sprintf(format, args...), began: l.now(), stop: make(chan struct{})}
	s.stopped.Go(s.tick)
	return s
}

// Say prints a line between steps.
func (l *Log) Say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, format+"\n", args...)
}

// Detail says what the step is waiting for at the moment.
func (s *Step) Detail(format string, args ...any) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	detail := fmt.Sprintf(format, args...)
	if detail == s.detail {
		return
	}
	s.detail = detail
	if s.log.terminal {
		s.draw("·")
	}
}

// Done ends the step; its title is replaced by what was reached.
func (s *Step) Done(format string, args ...any) time.Duration {
	return s.end("✓", fmt.Sprintf(format, args...))
}

// Failed ends the step.
func (s *Step) Failed() { s.end("✗", s.title) }

func (s *Step) end(mark, text string) time.Duration {
	close(s.stop)
	s.stopped.Wait()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	took := s.log.now().Sub(s.began)
	if s.log.terminal {
		fmt.Fprint(s.log.w, "\r\033[K")
	}
	fmt.Fprintf(s.log.w, "%s %s  %s\n", mark, text, Seconds(took))
	return took
}

// tick redraws the line on a terminal; elsewhere it says every ten seconds what
// is being waited for.
func (s *Step) tick() {
	interval := 100 * time.Millisecond
	if !s.log.terminal {
		interval = 10 * time.Second
	}
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.log.mu.Lock()
			if s.log.terminal {
				s.draw("·")
			} else {
				fmt.Fprintf(s.log.w, "· %s  %s\n", s.text(), Seconds(s.log.now().Sub(s.began)))
			}
			s.log.mu.Unlock()
		}
	}
}

func (s *Step) text() string {
	if s.detail == "" {
		return s.title
	}
	return s.title + ": " + s.detail
}

// draw replaces the terminal's present line; a line that wraps could not be
// replaced again.
func (s *Step) draw(mark string) {
	clock := Seconds(s.log.now().Sub(s.began))
	text := []rune(s.text())
	if room := s.log.width - len(clock) - 5; len(text) > room {
		text = append(text[:room-1], '…')
	}
	fmt.Fprintf(s.log.w, "\r\033[K%s %s  %s", mark, string(text), clock)
}

// Seconds is a duration as people read it.
func Seconds(d time.Duration) string {
	if d >= time.Minute {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}
