// Command probe runs inside the containers of tests: it does what its first
// argument says, and can tell what it sees of the world.
//
//	probe wait            until SIGTERM, then exits with 0
//	probe stubborn        for ever, also after SIGTERM
//	probe exit CODE       says a last word on standard error and exits
//	probe eat BYTES       takes memory and keeps it
//	probe threads N       takes threads and keeps them
//	probe spam BYTES      writes to standard output, then waits
//	probe report FILE     writes a JSON report.Report to FILE, then waits
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/marina-cloud/marina/internal/runc/runctest/report"
)

func main() {
	// Who reads this line knows that SIGTERM will be heard: process 1 of a namespace
	// dies of no signal that it does not ask for.
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("probe", strings.Join(os.Args[1:], " "))
	switch os.Args[1] {
	case "wait":
		<-term
	case "stubborn":
		for range term { // deaf to it
		}
	case "exit":
		fmt.Fprintln(os.Stderr, "the last word of the probe")
		os.Exit(number())
	case "eat":
		held := make([]byte, number())
		for i := 0; i < len(held); i += 4096 {
			held[i] = 1
		}
		<-term
		fmt.Println(held[0])
	case "threads":
		threads(number())
		<-term
	case "spam":
		line := strings.Repeat("x", 1023) + "\n"
		for n := 0; n < number(); n += len(line) {
			fmt.Print(line)
		}
		<-term
	case "report":
		tell(os.Args[2])
		<-term
	}
}

func number() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

func tell(file string) {
	r := report.Report{
		PID: os.Getpid(), Status: status(), Environment: os.Environ(),
		RootWrite:     why(os.WriteFile("/file", nil, 0o600)),
		TmpWrite:      why(os.WriteFile("/tmp/file", nil, 0o600)),
		BinaryWrite:   why(os.WriteFile(os.Args[0], nil, 0o600)),
		ReadOnlyWrite: why(os.WriteFile("/run/readonly/file", nil, 0o600)),
		Mount:         why(syscall.Mount("none", "/tmp", "tmpfs", 0, "")),
		Unshare:       why(syscall.Unshare(syscall.CLONE_NEWUSER)),
		Entries:       names("/"), Devices: names("/dev"), Namespaces: namespaces(), Mounts: mounts(),
	}
	r.Hostname, _ = os.Hostname()
	ifaces, err := net.Interfaces()
	if err != nil {
		panic(err)
	}
	for _, i := range ifaces {
		r.Interfaces = append(r.Interfaces, i.Name)
		if i.Flags&net.FlagUp != 0 {
			r.Up = append(r.Up, i.Name)
		}
	}
	conn, err := net.Dial("tcp", "192.0.2.1:80")
	r.Outside = why(err)
	if err == nil {
		conn.Close()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:6443")
	r.Loopback = why(err)
	if err == nil {
		ln.Close()
	}
	data, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(file+".next", data, 0o660); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".next", file); err != nil {
		panic(err)
	}
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// threads starts n threads. Where that is not allowed, the Go runtime says so and ends
// the program.
func threads(n int) {
	var started sync.WaitGroup
	for range n {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			started.Done()
			select {}
		}()
	}
	started.Wait()
	fmt.Println("so many threads:", n)
}

func namespaces() map[string]string {
	m := map[string]string{}
	for _, kind := range names("/proc/self/ns") {
		m[kind], _ = os.Readlink("/proc/self/ns/" + kind)
	}
	return m
}

func mounts() map[string]string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		panic(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 5 {
			m[f[4]] = f[5]
		}
	}
	return m
}

func status() map[string]string {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		k, v, _ := strings.Cut(line, ":")
		m[k] = strings.TrimSpace(v)
	}
	return m
}
