package vault

import (
	"fmt"
	"strings"
)

// Policy is what Vault must allow Marina, and nothing beyond: no reading of keys,
// no making or deleting of them.
func (c Config) Policy() string {
	var b strings.Builder
	for _, p := range []struct{ path, why string }{
		{c.Mount + "/encrypt/" + c.Key, "wrap data keys"},
		{c.Mount + "/decrypt/" + c.Key, "unwrap data keys"},
		{"auth/token/renew-self", "keep its own token alive"},
	} {
		fmt.Fprintf(&b, "# %s\npath %q {\n  capabilities = [\"update\"]\n}\n", p.why, p.path)
	}
	b.WriteString("# see how long its own token lives\npath \"auth/token/lookup-self\" {\n  capabilities = [\"read\"]\n}\n")
	return b.String()
}
