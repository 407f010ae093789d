package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLogIn(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := somebody(t, a)
	r := p.types(t, goodPassword+"\r\nrest", "--server", a.URL+"/", "login", "--email", "ada@example.com")
	says(t, "login", r.out, "Logged in to "+a.URL+" as ada@example.com, organization Analytical Engines, until 2 January 2030.", "clusters create NAME --wait")
	if r.status != 0 || strings.Contains(r.out+r.errs, goodPassword) || strings.Contains(r.out+r.errs, goodToken) {
		t.Errorf("login: %+v", r)
	}
	info, err := os.Stat(filepath.Join(p.home, "login.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the log-in is remembered with mode %v, %v, want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(p.home, ".login-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	p.runs(t, "clusters", "list") // without --server: it is remembered
}

func TestLogInWithASecondFactor(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	r := somebody(t, a).types(t, goodPassword+"\n 123456\r\n", "--server", a.URL, "login", "--email", "careful@example.com")
	says(t, "login", r.out, "Logged in to "+a.URL+" as careful@example.com")
	if r.status != 0 || strings.Contains(r.out+r.errs, "123456") {
		t.Errorf("login: %+v", r)
	}
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := somebody(t, a)
	r := p.types(t, "", "--server", a.URL, "signup", "--email", "ada@example.com")
	says(t, "signup", r.out, "Look at your mail: there is a link for ada@example.com.", p.home+" verify")
	r = p.types(t, "http://localhost:8080/verify#"+goodLink+"\na new password\n", "--server", a.URL, "--json", "verify", "--organization", "Analytical Engines")
	var s struct {
		Token map[string]any `json:"token"`
	}
	if err := json.Unmarshal([]byte(r.out), &s); err != nil || s.Token["id"] != "tok-1" || s.Token["secret"] != nil {
		t.Errorf("verify: %+v, %v", r, err)
	}
	r = p.types(t, "http://localhost:8080/verify#marina_other\na new password\n", "verify")
	says(t, "verify with a link that is not good", r.errs, "This link is not good any more.")
}

func TestPassword(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := somebody(t, a)
	p.types(t, goodPassword+"\n", "--server", a.URL, "login", "--email", "ada@example.com")
	r := p.types(t, goodPassword+"\na new password\n", "password", "change")
	says(t, "password change", r.out, "The password is changed.")
	r = p.types(t, "", "password", "forgot", "--email", "ada@example.com")
	says(t, "password forgot", r.out, "Look at your mail: there is a link for ada@example.com.", " password reset")
	r = p.types(t, "https://marina.example.com/reset#"+goodLink+"\na new password\n", "password", "reset")
	says(t, "password reset", r.out, "all your sessions have ended. Next: marina --home "+p.home+" login")
	r = p.types(t, "marina_other\na new password\n", "password", "reset")
	says(t, "password reset with a link that is not good", r.errs, "This link is not good any more.")
}

func TestLogInGoesWrong(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, c := range []struct {
		why, in string
		args    []string
		want    string
	}{
		{"nobody can be asked for an address", "pw\n", []string{"login"}, "say who you are with --email"},
		{"nobody can be asked for a password", "", []string{"login", "--email", "a@b"}, `give the standard input a line for "Password"`},
		{"a wrong password is not a lost token", "wrong\n", []string{"login", "--email", "a@b"}, "Error: The e-mail address or the password is wrong.\n"},
		{"nobody can be asked for a code", goodPassword + "\n", []string{"login", "--email", "careful@example.com"}, "a recovery code, as the second line of the standard input"},
		{"a wrong code is not a lost token", goodPassword + "\n123457\n", []string{"login", "--email", "careful@example.com"}, "Wait for the next one, or use a recovery code.\n"},
		{"a server is named as a URL", "pw\n", []string{"--server", "localhost:8080", "login", "--email", "a@b"}, `"localhost:8080" is not a URL: write it like http://localhost:8080`},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			p := somebody(t, a)
			r := p.types(t, c.in, append([]string{"--server", a.URL}, c.args...)...)
			if r.status != 1 || r.out != "" {
				t.Errorf("%+v", r)
			}
			says(t, "the error", r.errs, c.want)
			if strings.HasSuffix(c.want, "\n") && !strings.HasSuffix(r.errs, c.want) {
				t.Errorf("there is more advice than is right: %q", r.errs)
			}
		})
	}
}

// TestATokenGoesOnlyToItsServer: a mistyped or malicious --server must not get it.
func TestATokenGoesOnlyToItsServer(t *testing.T) {
	t.Parallel()
	own, other := newAPI(t), newAPI(t)
	p := member(t, own)
	r := p.types(t, "", "--server", other.URL, "clusters", "list")
	says(t, "the error", r.errs, "you are not logged in to "+other.URL+", but to "+own.URL, "login")
	if asked := other.requests(); len(asked) > 0 || r.status != 1 {
		t.Errorf("the other server was asked %v; exit status %d", asked, r.status)
	}
}

func TestNotLoggedIn(t *testing.T) {
	t.Parallel()
	p := somebody(t, newAPI(t))
	r := p.types(t, "", "clusters", "list")
	says(t, "the error", r.errs, "Error: you are not logged in\n", "signup` for a new account")
	if err := os.WriteFile(filepath.Join(p.home, "login.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = p.types(t, "", "clusters", "list")
	says(t, "the error of a broken log-in", r.errs, filepath.Join(p.home, "login.json"), "login` writes it anew")
}

func TestEnvironment(t *testing.T) {
	a := newAPI(t)
	t.Setenv("MARINA_TOKEN", goodToken)
	t.Setenv("MARINA_SERVER", a.URL)
	t.Setenv("MARINA_HOME", filepath.Join(t.TempDir(), "elsewhere"))
	var out, errs strings.Builder
	if status := Main(context.Background(), []string{"clusters", "list"}, strings.NewReader(""), &out, &errs); status != 0 {
		t.Errorf("clusters list: %d, %s", status, errs.String())
	}
	if !slices.Equal(a.requests(), []string{"GET /v1/clusters"}) {
		t.Errorf("asked: %v", a.requests())
	}
	out.Reset()
	Main(context.Background(), []string{"status"}, strings.NewReader(""), &out, &errs)
	says(t, "status", out.String(), "Marina does not run in "+os.Getenv("MARINA_HOME"))
	out.Reset()
	Main(context.Background(), []string{"--help"}, strings.NewReader(""), &out, &errs)
	if strings.Contains(out.String(), a.URL) {
		t.Errorf("the help tells the environment as if it were a default:\n%s", out.String())
	}
}
