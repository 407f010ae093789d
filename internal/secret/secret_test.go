package secret_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/secret"
)

func TestTextIsNotShown(t *testing.T) {
	t.Parallel()
	const hidden = "hunter2"
	holder := struct {
		Password secret.Text
		Pointer  *secret.Text
	}{Password: hidden}
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
		for _, v := range []any{secret.Text(hidden), holder, []secret.Text{hidden}, map[string]secret.Text{"a": hidden}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, hidden) || strings.Contains(got, "68756e74657232") {
				t.Errorf("%s of %T shows %s", verb, v, got)
			}
		}
	}
	if got, err := json.Marshal(holder); err != nil || strings.Contains(string(got), hidden) {
		t.Errorf("JSON is %s, %v", got, err)
	}
	if string(holder.Password) != hidden {
		t.Error("the secret is lost")
	}
}
