package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/deploy/server"
)

const goodProviders = `
providers:
  - {id: corp, name: Example Inc., issuer: https://id.example.com, client_id: marina, client_secret_file: corp.secret}
  - {id: test, name: Test, issuer: http://localhost:9998, client_id: public}
`

func TestReadProviders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("corp.secret", "hunter2\n", 0o600)
	all, err := server.ReadProviders(write("good.yaml", goodProviders, 0o644))
	if err != nil || len(all) != 2 || all[0].Name != "Example Inc." || string(all[0].ClientSecret) != "hunter2" || all[1].ClientSecret != "" {
		t.Fatalf("ReadProviders = %v, %v", all, err)
	}
	if shown := fmt.Sprintf("%+v", all); strings.Contains(shown, "hunter2") {
		t.Errorf("printed, the secret appears: %s", shown)
	}
	write("open.secret", "hunter2", 0o644)
	for name, tc := range map[string]struct{ text, want string }{
		"Misspelled":  {strings.Replace(goodProviders, "client_id", "clientid", 1), "clientid"},
		"PlainHTTP":   {strings.Replace(goodProviders, "https://id", "http://id", 1), "must be an https URL"},
		"Twice":       {strings.Replace(goodProviders, "id: test", "id: corp", 1), "provider 2"},
		"BadID":       {strings.Replace(goodProviders, "id: corp", "id: ../corp", 1), "lower-case letters"},
		"NoName":      {strings.Replace(goodProviders, "name: Test", "name: ''", 1), "name and client_id are needed"},
		"NoSuchFile":  {strings.Replace(goodProviders, "corp.secret", "none.secret", 1), "none.secret"},
		"OpenSecret":  {strings.Replace(goodProviders, "corp.secret", "open.secret", 1), "chmod 600"},
		"NoYAML":      {"providers: {", "good.yaml"},
		"SecretThere": {strings.Replace(goodProviders, "client_secret_file: corp.secret", "client_secret: hunter2", 1), "client_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(name+"-good.yaml", tc.text, 0o644)
			if _, err := server.ReadProviders(path); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("ReadProviders: %v, want %q", err, tc.want)
			}
		})
	}
}
