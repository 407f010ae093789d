package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

// renewBefore is how long before its end a credential is replaced: a command that
// begins with it may take a while.
const renewBefore = 10 * time.Minute

// kubeconfigCredential is what kubectl calls (client.authentication.k8s.io/v1).
func (e *env) kubeconfigCredential() *cobra.Command {
	return &cobra.Command{
		Use: "credential CLUSTER-ID", Short: "Print a credential for kubectl, which calls this", Hidden: true,
		Args: takes("CLUSTER-ID"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := e.client()
			if err != nil {
				return err
			}
			x, err := e.credential(cmd, c, args[0])
			if err != nil {
				return err
			}
			return json.NewEncoder(e.out).Encode(x)
		},
	}
}

// credential returns one that is good for a while: the one that is kept, or a new one.
// When there is no new one to be had, the old one is good until it ends.
func (e *env) credential(cmd *cobra.Command, c *client.Client, cluster string) (client.ExecCredential, error) {
	cache := e.credentialCache(c, cluster)
	kept := cache.read()
	if time.Until(kept.Status.Expires) > renewBefore {
		return kept, nil
	}
	x, err := c.CreateCredential(cmd.Context(), cluster)
	if client.IsTransient(err) && time.Until(kept.Status.Expires) > time.Minute {
		return kept, nil
	}
	if err != nil {
		return x, err
	}
	return x, cache.write(x)
}

// credentialFile keeps a credential, which is as good as a password for an hour.
type credentialFile struct {
	path string
	err  error // why there is none
}

// credentialCache is where a credential of whoever is logged in is kept. Who logs in as
// somebody else finds nothing of the one before.
func (e *env) credentialCache(c *client.Client, cluster string) credentialFile {
	dir := e.home // a home that was named keeps to itself, as with log-ins
	if dir == "" {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return credentialFile{err: fmt.Errorf("find a place for credentials: %w", err)}
		}
		dir = filepath.Join(dir, "marina")
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{c.Server, c.Token, cluster}, "\n")))
	return credentialFile{path: filepath.Join(dir, "credentials", hex.EncodeToString(sum[:16])+".json")}
}

// read returns what is kept; nothing, which has ended, when that cannot be used.
func (f credentialFile) read() (x client.ExecCredential) {
	data, err := os.ReadFile(f.path)
	if err != nil || json.Unmarshal(data, &x) != nil || x.Status.Certificate == "" || x.Status.Key == "" {
		return client.ExecCredential{}
	}
	return x
}

// write keeps a credential. What was kept before stays until all of it is written.
func (f credentialFile) write(x client.ExecCredential) error {
	if f.err != nil {
		return f.err
	}
	if err := f.replace(x); err != nil {
		return fmt.Errorf("keep the credential: %w", err)
	}
	f.sweep()
	return nil
}

func (f credentialFile) replace(x client.ExecCredential) error {
	data, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".credential-") // mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(data)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// sweep removes what was kept and has ended, such as under log-ins of the past.
func (f credentialFile) sweep() {
	files, _ := os.ReadDir(filepath.Dir(f.path)) // what cannot be read stays
	for _, entry := range files {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.Remove(filepath.Join(filepath.Dir(f.path), entry.Name()))
		}
	}
}
