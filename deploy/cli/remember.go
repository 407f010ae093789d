package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/marina-cloud/marina/deploy/client"
)

// login is what is remembered of a log-in.
type login struct {
	Server string `json:"server"`
	Token  string `json:"token"`
	Email  string `json:"email"`
}

// defaultServer is where `marina up` serves the API.
const defaultServer = "http://localhost:8080"

// loginFile is where a log-in is remembered: beside the data of a home that was
// named, so that test installations do not touch a person's own log-in.
func (e *env) loginFile() (string, error) {
	if e.home != "" {
		h, err := e.at()
		return h.Path("login.json"), err
	}
	dir, err := os.UserConfigDir()
	if err != nil { // no $HOME: a service, for example
		u, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("find the directory of your settings: %w", err)
		}
		dir = filepath.Join(u.HomeDir, ".config")
	}
	return filepath.Join(dir, "marina", "login.json"), nil
}

// readLogin returns what is remembered, or errNotLoggedIn.
func (e *env) readLogin() (l login, err error) {
	file, err := e.loginFile()
	if err != nil {
		return l, err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, errNotLoggedIn
	}
	if err != nil {
		return l, fmt.Errorf("read your log-in: %w", err)
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return l, fmt.Errorf("read your log-in in %s: %w; `%s login` writes it anew", file, err, e.marina())
	}
	return l, nil
}

// writeLogin remembers a log-in in a file that only this user can read. What was
// remembered before stays until all of it is written.
func (e *env) writeLogin(l login) error {
	file, err := e.loginFile()
	if err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("remember your log-in: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(file), ".login-") // mode 0600
	if err != nil {
		return fmt.Errorf("remember your log-in: %w", err)
	}
	_, err = next.Write(data)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("remember your log-in: %w", errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}

// forgetLogin removes the log-in to an installation on this machine that is gone.
func (e *env) forgetLogin() error {
	l, err := e.readLogin()
	if errors.Is(err, errNotLoggedIn) || err == nil && !local(l.Server) {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := e.loginFile()
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("forget your log-in: %w", err)
	}
	return nil
}

func local(server string) bool {
	return strings.HasPrefix(server, "http://localhost:") || strings.HasPrefix(server, "http://127.0.0.1:")
}

// client returns a client that acts for whoever is logged in. MARINA_TOKEN, for
// programs, goes before a remembered log-in. A remembered token is sent only to the
// server that issued it.
func (e *env) client() (*client.Client, error) {
	named, err := e.namedServer()
	if err != nil {
		return nil, err
	}
	l, err := e.readLogin()
	if token := os.Getenv("MARINA_TOKEN"); token != "" {
		return &client.Client{Server: cmp.Or(named, l.Server, defaultServer), Token: token}, nil
	}
	if err != nil {
		return nil, err
	}
	if named != "" && named != l.Server {
		return nil, fmt.Errorf("%w to %s, but to %s", errNotLoggedIn, named, l.Server)
	}
	return &client.Client{Server: l.Server, Token: l.Token}, nil
}

// anonymous returns a client for signing up and logging in.
func (e *env) anonymous() (*client.Client, error) {
	named, err := e.namedServer()
	if err != nil {
		return nil, err
	}
	l, _ := e.readLogin() // none remembered, none suggested
	return &client.Client{Server: cmp.Or(named, l.Server, defaultServer)}, nil
}

// namedServer is the server that the flag or the environment names; empty for none.
func (e *env) namedServer() (string, error) {
	if e.server == "" {
		return "", nil
	}
	u, err := url.Parse(e.server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("the server's address %q is not a URL: write it like http://localhost:8080 or https://marina.example.com", e.server)
	}
	return strings.TrimSuffix(e.server, "/"), nil
}
