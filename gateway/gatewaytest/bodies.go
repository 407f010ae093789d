// Package gatewaytest holds what tests of the API have in common.
package gatewaytest

// Password is that of the people in tests.
const Password = "correct horse battery"

// Bodies are good ones, by the operations that take one. A test that walks all operations
// finds those that nobody wrote one for.
var Bodies = map[string]string{
	"changeAccount":         `{"name":"Ada"}`,
	"createToken":           `{"name":"ci"}`,
	"createCluster":         `{"name":"another"}`,
	"createNodePool":        `{"name":"another","count":1}`,
	"resizeNodePool":        `{"count":2}`,
	"createOrganization":    `{"name":"another"}`,
	"renameOrganization":    `{"name":"another"}`,
	"changeMember":          `{"role":"viewer"}`,
	"setAuthorizedNetworks": `{"networks":["203.0.113.0/24"]}`,
	"changeCluster":         `{"deletion_protection":true}`,
	"confirmSession":        `{"password":"` + Password + `"}`,
	"beginIdentity":         `{"provider":"none"}`,
	"linkIdentity":          `{"provider":"none","state":"x","code":"x"}`,
	"addPasskey":            `{"name":"phone","id":"YQ","client_data":"YQ","attestation":"YQ"}`,
	"renamePasskey":         `{"name":"phone"}`,
	"enableTOTP":            `{"code":"123456"}`,
	"setAuthentication":     `{"jwt":[]}`,
	"changePassword":        `{"password":"` + Password + `","new_password":"` + Password + `"}`, // the same: other routes ask for it
	"createInvitation":      `{"email":"grace@example.com","role":"viewer"}`,
	"acceptInvitation":      `{"secret":"nothing"}`,
	"revokeClusterToken":    `{"token_id":"a"}`,
}
