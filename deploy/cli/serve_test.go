package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestService: the systemd unit runs a command that there is, with flags that it
// knows, and its runbook is there.
func TestService(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../systemd/marina.service")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindSubmatch(unit)
	if line == nil {
		t.Fatal("the unit starts nothing")
	}
	args := strings.Fields(string(line[1]))
	command, flags, err := new(env).root().Find(args[1:])
	if err != nil || filepath.Base(args[0]) != "marina" || command.Name() != "serve" {
		t.Fatalf("the unit starts %q, %v; want marina serve", args, err)
	}
	if err := command.ParseFlags(flags); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	book := regexp.MustCompile(`deploy/runbooks/\S+\.md`).Find(unit)
	if _, err := os.Stat(filepath.Join("../..", string(book))); len(book) == 0 || err != nil {
		t.Errorf("the unit's runbook %q: %v", book, err)
	}
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"":                                  "[]",
		"10.0.0.0/8":                        "[10.0.0.0/8]",
		" 10.0.0.0/8, 192.0.2.1 ,fd00::/8,": "[10.0.0.0/8 192.0.2.1/32 fd00::/8]",
		"2001:db8::1":                       "[2001:db8::1/128]",
		"10.0.0.1/8":                        "", // a mistake in one of its two parts
		"0.0.0.0/0":                         "", // to trust everybody is a mistake, too
		"::/0":                              "",
		"proxy.example.com":                 "",
		"10.0.0.0/33":                       "",
	} {
		got, err := networks(flag)
		if want == "" {
			if err == nil {
				t.Errorf("%q is taken for %v", flag, got)
			}
		} else if fmt.Sprint(got) != want || err != nil {
			t.Errorf("%q is %v, %v; want %s", flag, got, err, want)
		}
	}
}
