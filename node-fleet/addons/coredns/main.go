// Command coredns is CoreDNS with the plugins that the Corefile of a Kubernetes
// cluster uses and no others: what is not linked in needs no patching.
package main

import (
	"log"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/autopath"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/root"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/tls"
	_ "github.com/coredns/coredns/plugin/whoami"
)

// linked are the directives of the plugins above, in the order of CoreDNS's own
// list (core/dnsserver/zdirectives.go): a query passes the plugins in this order.
var linked = []string{
	"root", "reload", "bufsize", "bind", "debug", "ready", "health", "prometheus",
	"errors", "log", "loadbalance", "rewrite", "autopath", "cache", "tls",
	"template", "hosts", "kubernetes", "loop", "forward", "whoami",
}

func main() {
	if err := dnsserver.SetDirectives(linked); err != nil {
		log.Fatalf("coredns: list of plugins: %v", err)
	}
	coremain.Run()
}
