// Command bench measures an installation of its own and prints the figures.
//
//	go run ./deploy/bench NAME [--runs N] [--json]
//
// Progress goes to standard error. Figures are medians, in the unit that the end
// of their name tells.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/marina-cloud/marina/deploy/progress"
)

// bench is one benchmark.
type bench struct {
	about string
	run   func(ctx context.Context, m *measurement) error
}

var benches = map[string]bench{
	"api":     {"how long a page of the list of clusters takes, among many; and from the call that revokes a credential to the end of all that it was good for", api},
	"console": {"what a browser loads and shows first, and how soon a cluster's page shows a change, and how long it takes from log-in to kubectl in a new cluster", console},
	"create":  {"from an accepted request for a cluster to a client that creates a ConfigMap in it", create},
	"density": {"memory, CPU and disk of ten idle tenants of one installation; each run is a look at them", density},
	"recover": {"from a new server to 20 usable clusters, after every process was killed at once", recoverAll},
	"router":  {"a small GET, a large LIST and new connections through the router, against the API server's socket and HAProxy", router},
	"nodes":   {"from a request for a pool of two to both nodes Ready, and a Deployment of four replicas on them", nodes},
	"up":      {"from an empty home to the answer of the demo's pod", up},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	names := strings.Join(slices.Sorted(maps.Keys(benches)), ", ")
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("say which benchmark: %s", names)
	}
	b, ok := benches[args[0]]
	if !ok {
		return fmt.Errorf("there is no benchmark %q, only %s", args[0], names)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	runs := flags.Int("runs", 10, "how often to measure")
	asJSON := flags.Bool("json", false, "print the figures as JSON")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *runs < 1 {
		return errors.New("--runs must be at least 1")
	}
	m := &measurement{runs: *runs, samples: map[string][]float64{}, log: progress.New(os.Stderr)}
	m.log.Say("%s: %s, %d runs", args[0], b.about, *runs)
	environment := observe(ctx)
	if err := b.run(ctx, m); err != nil {
		return err
	}
	if !*asJSON {
		for _, name := range slices.Sorted(maps.Keys(m.samples)) {
			s := slices.Sorted(slices.Values(m.samples[name]))
			fmt.Printf("%-28s median %8.0f   from %.0f to %.0f\n", name, median(s), s[0], s[len(s)-1])
		}
		return nil
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"bench": args[0], "figures": m.figures(), "environment": environment})
}

// measurement collects samples. It is not for concurrent use.
type measurement struct {
	runs    int
	samples map[string][]float64
	log     *progress.Log
}

// add records one sample, in milliseconds, for the figure with this name.
func (m *measurement) add(name string, d time.Duration) {
	m.record(name, float64(d.Microseconds())/1000)
}

// record records one sample, in the unit that the figure's name tells.
func (m *measurement) record(name string, value float64) {
	m.samples[name] = append(m.samples[name], value)
}

// figures are the medians, with the extremes beside them.
func (m *measurement) figures() map[string]float64 {
	f := map[string]float64{}
	for name, samples := range m.samples {
		s := slices.Sorted(slices.Values(samples))
		f[name] = round(median(s))
		base := strings.TrimSuffix(name, "_p50")
		f[base+"_min"], f[base+"_max"] = round(s[0]), round(s[len(s)-1])
	}
	f["runs"] = float64(m.runs)
	return f
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// round leaves what a figure is good for: a tenth of a millisecond, a hundredth part.
func round(x float64) float64 {
	digits := 10.0
	if x < 10 {
		digits = 1000
	}
	return math.Round(x*digits) / digits
}
