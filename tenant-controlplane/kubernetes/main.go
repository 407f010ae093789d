package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // for time zones of CronJobs: a tenant's root has no files

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as in upstream's commands
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric, as in upstream's commands
	"k8s.io/klog/v2"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs are what this binary can be, by name. Each gets the arguments after the
// name and returns the exit code.
var programs = map[string]func(args []string) int{
	"stack":      stackMain,
	"kubelet":    func([]string) int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) },
	"kube-proxy": func([]string) int { return cli.Run(proxy.NewProxyCommand()) },
	"kubectl":    kubectlMain,
}

func main() {
	program, args, ok := choose(os.Args)
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: marina-kubernetes stack CONFIG.json | kubelet … | kube-proxy … | kubectl …")
		os.Exit(2)
	}
	// Upstream's commands read os.Args themselves.
	os.Args = append([]string{program}, args...)
	os.Exit(programs[program](args))
}

// choose finds the program in the name that this one was called by, or else in the
// first argument.
func choose(argv []string) (program string, args []string, ok bool) {
	for range 2 {
		if len(argv) == 0 {
			return "", nil, false
		}
		name := filepath.Base(argv[0])
		if programs[name] != nil {
			return name, argv[1:], true
		}
		argv = argv[1:]
	}
	return "", nil, false
}

func stackMain(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: stack CONFIG.json")
		return 2
	}
	err := runStack(args[0])
	klog.Flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		return 1
	}
	return 0
}
