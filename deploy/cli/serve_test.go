package cli

import (
	"fmt"
	"testing"
)

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
