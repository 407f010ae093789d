package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress tells a person what is happening: on a terminal one line for each
// artifact with a running clock and the newest line of the builder's output, else
// a line when a long step begins, one a minute while it runs, and one at its end.
type progress struct {
	w    io.Writer
	live bool
}

func newProgress(f *os.File) *progress {
	info, err := f.Stat()
	return &progress{w: f, live: err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"}
}

// done reports a step that took no time worth showing.
func (p *progress) done(name, what string) { fmt.Fprintf(p.w, "  %-24s %s\n", name, what) }

// step is something that takes a while. It is also the writer that takes the
// output of what is running.
type step struct {
	p     *progress
	name  string
	begun time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu    sync.Mutex
	doing string
	last  string // newest whole line of output
	tail  [][]byte
	part  []byte // of a line
}

// tailLines is how much of the output is shown when a step fails.
const tailLines = 60

func (p *progress) begin(name, doing, hint string) *step {
	s := &step{p: p, name: name, begun: time.Now(), doing: doing, stop: make(chan struct{})}
	every := time.Second
	if !p.live {
		every = time.Minute
		if hint != "" {
			p.done(name, doing+"… ("+hint+")")
		}
	}
	s.ended.Add(1)
	go s.show(every)
	return s
}

func (s *step) show(every time.Duration) {
	defer s.ended.Done()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.mu.Lock()
			line := fmt.Sprintf("%s… %s", s.doing, elapsed(s.begun))
			if s.p.live {
				fmt.Fprintf(s.p.w, "\r\033[K  %-24s %s  %.60s", s.name, line, s.last)
			} else {
				s.p.done(s.name, line)
			}
			s.mu.Unlock()
		}
	}
}

// say changes the verb that is shown.
func (s *step) say(doing string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing = doing
}

func (s *step) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part = append(s.part, b...)
	for {
		line, rest, ok := bytes.Cut(s.part, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		s.last = string(line)
		if s.tail = append(s.tail, bytes.Clone(line)); len(s.tail) > tailLines {
			s.tail = s.tail[1:]
		}
		s.part = rest
	}
}

// end closes the step with a verb such as "built"; a failure shows the output.
func (s *step) end(what string, err error) {
	close(s.stop)
	s.ended.Wait()
	if s.p.live {
		fmt.Fprint(s.p.w, "\r\033[K")
	}
	if err != nil {
		s.p.done(s.name, "failed after "+elapsed(s.begun))
		s.mu.Lock()
		defer s.mu.Unlock()
		if output := bytes.TrimSpace(bytes.Join(append(s.tail, s.part), []byte("\n"))); len(output) > 0 {
			fmt.Fprintf(s.p.w, "%s\n", output)
		}
		return
	}
	s.p.done(s.name, what+"   "+elapsed(s.begun))
}

func elapsed(since time.Time) string {
	d := time.Since(since)
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
