// Package egress is the one way out of a tenant's control plane to the Internet.
//
// An API server calls what its owner names: admission webhooks with a URL, issuers
// of OpenID Connect tokens, audit webhooks. Its container has no network, so these
// calls come here, as CONNECT requests (RFC 9110, 9.3.6) on a unix socket of the
// cluster's own. What an owner names is an attacker's choice: the proxy resolves a
// name once, refuses every address that is not on the public Internet or is this
// machine's, and dials the very address that it judged, so that a name cannot mean
// something else a moment later (DNS rebinding).
//
// Decide is the judgement and is pure; Server is what carries it out.
package egress
