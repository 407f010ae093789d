package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/backup"
	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
)

// statusIncomplete is the exit status of `marina backup` when a backup was made,
// but lacks the data of clusters.
const statusIncomplete exitStatus = 4

func (e *env) backupCommand() *cobra.Command {
	var (
		to, recipientsFile string
		recipients         []string
		keep               int
	)
	c := group(&cobra.Command{
		Use:   "backup",
		Short: "Save an installation on this machine to an encrypted file",
		Long: "Save an installation on this machine, whether it runs or not, to one file: accounts, clusters, keys and\n" +
			"everything in every cluster. Nobody notices while it is made. The file is encrypted for a key that you keep\n" +
			"elsewhere: `marina backup keygen` makes one.\n\n" +
			"The exit status is 0 when all is saved, 4 when the data of some clusters could not be, else 1 or 2.",
		Example: "  marina backup keygen /media/usb/marina-identity\n  marina backup --to /mnt/backups --keep 14\n  marina backup verify FILE --identity /media/usb/marina-identity",
	})
	help := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if to == "" {
			if f := cmd.Flags(); f.Changed("keep") || f.Changed("recipient") || f.Changed("recipients-file") {
				return &usageError{cmd, "--to is missing: name a directory or a new file on another disk"}
			}
			return help(cmd, args)
		}
		if keep < 0 {
			return &usageError{cmd, fmt.Sprintf("--keep is %d: say how many backups to keep, or 0 for all", keep)}
		}
		h, err := e.rootHome()
		if err != nil {
			return err
		}
		keys, err := backup.Recipients(h, recipients, recipientsFile)
		if err != nil {
			return err
		}
		etcd, err := artifacts.Path(artifacts.Etcd)
		if err != nil {
			return err
		}
		step := e.steps.Begin("Saving %s", h.Dir)
		made, err := backup.Job{
			Home: h, Etcd: etcd, Marina: Version, Recipients: keys, To: to, Keep: keep,
			Say: func(what string) { step.Detail("%s", what) },
		}.Run(cmd.Context())
		if err != nil {
			step.Failed()
			return err
		}
		step.Done("Saved %s to %s (%s)", counted(made.Manifest), made.File, size(made.Bytes))
		if err := e.print(made, func(w io.Writer) { needsVault(w, made.Manifest) }); err != nil {
			return err
		}
		return e.incomplete(made.Manifest)
	}
	c.Flags().StringVar(&to, "to", "", "`directory`, or a new file, on another disk")
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "public `key` (age1…) of who can open it; may be repeated (default: what keygen made)")
	c.Flags().StringVar(&recipientsFile, "recipients-file", "", "`file` of public keys, one a line")
	c.Flags().IntVar(&keep, "keep", 0, "keep this `number` of backups of this installation in the directory, and delete older ones; 0 keeps all")
	c.AddCommand(e.keygenCommand(), e.verifyCommand(), e.listBackupsCommand())
	return c
}

// needsVault says what a backup is worth nothing without.
func needsVault(w io.Writer, m archive.Manifest) {
	if m.Vault != "" {
		fmt.Fprintf(w, "Its secrets are sealed by %s: keep backups of that, too (vault operator raft snapshot save).\nA restored installation is started with the same --vault- flags.\n", plain(m.Vault))
	}
}

// incomplete says which clusters a backup lacks, if it lacks any.
func (e *env) incomplete(m archive.Manifest) error {
	missing := m.Incomplete()
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(e.errs, "The backup lacks the data of %s:\n", count(len(missing), "cluster"))
	for _, k := range missing {
		fmt.Fprintf(e.errs, "  %s (%s): %s\n", plain(k.Name), k.ID, plain(k.Reason))
	}
	return statusIncomplete
}

func (e *env) keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make the key that opens backups, and keep only its public half here",
		Long: "Make a key pair. The secret half, the identity, goes into a new file: whoever has it can read every backup,\n" +
			"and without it nobody can. Keep it away from this machine. If there is an installation in the home, it\n" +
			"remembers the public half and encrypts its backups for it.",
		Args: takes("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			h, err := e.at()
			if err != nil {
				return err
			}
			recipient, err := backup.NewIdentity(args[0], time.Now())
			if err != nil {
				return err
			}
			remembered, err := remember(h, recipient)
			if err != nil {
				return err
			}
			result := struct {
				Identity   string `json:"identity_file"`
				Recipient  string `json:"recipient"`
				Remembered bool   `json:"remembered"`
			}{args[0], recipient, remembered}
			return e.print(result, func(w io.Writer) {
				fmt.Fprintf(w, "The identity is in %s. Keep it away from this machine: without it no backup can be opened.\nPublic key: %s\n", args[0], recipient)
				if remembered {
					fmt.Fprintf(w, "Backups of %s are encrypted for it from now on: %s backup --to DIRECTORY\n", h.Dir, e.marina())
				} else {
					fmt.Fprintf(w, "Give it to each backup: marina backup --to DIRECTORY --recipient %s\n", recipient)
				}
			})
		},
	}
}

// remember keeps a recipient in a home that is an installation.
func remember(h home.Home, recipient string) (bool, error) {
	if _, err := os.Stat(host.LockFile(h)); err != nil {
		return false, nil //nolint:nilerr // nobody's home, or somebody else's
	}
	err := backup.Remember(h, recipient)
	if errors.Is(err, os.ErrPermission) {
		return false, nil
	}
	return err == nil, err
}

func (e *env) verifyCommand() *cobra.Command {
	var identity string
	c := &cobra.Command{
		Use:   "verify FILE --identity FILE",
		Short: "Check that a backup can be restored",
		Long: "Read a backup to its end, compare every digest, check every page of every cluster's data, and read the\n" +
			"dump of the database. It needs no installation and no root. The exit status is 4 when the backup is\nsound but lacks the data of clusters.",
		Args: takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if identity == "" {
				return &usageError{cmd, "--identity is missing: name the file that `marina backup keygen` made"}
			}
			identities, err := backup.Identities(identity)
			if err != nil {
				return err
			}
			etcd, err := artifacts.Path(artifacts.Etcd)
			if err != nil {
				return err
			}
			step := e.steps.Begin("Checking %s", args[0])
			v, err := backup.Verify(cmd.Context(), args[0], identities, etcd, func(what string) { step.Detail("%s", what) })
			if err != nil {
				step.Failed()
				return err
			}
			step.Done("The backup is sound")
			if err := e.print(v, func(w io.Writer) { writeManifest(w, v) }); err != nil {
				return err
			}
			return e.incomplete(v.Manifest)
		},
	}
	c.Flags().StringVar(&identity, "identity", "", "`file` with the secret key")
	return c
}

func writeManifest(w io.Writer, v backup.Verified) {
	m := v.Manifest
	fmt.Fprintf(w, "Made:     %s by Marina %s\nSchema:   %d\n\n", m.Created.Format(time.RFC3339), m.Marina, m.Schema)
	needsVault(w, m)
	var rows [][]string
	for _, k := range m.Clusters {
		row := []string{k.Name, string(k.ID), k.Version, string(k.State), "", ""}
		if k.State == archive.Saved {
			row[4], row[5] = fmt.Sprint(v.Etcds[k.ID].Keys), size(v.Etcds[k.ID].Bytes)
		}
		rows = append(rows, row)
	}
	table(w, "There were no clusters.", []string{"CLUSTER", "ID", "VERSION", "DATA", "KEYS", "SIZE"}, rows)
}

func (e *env) listBackupsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list DIRECTORY",
		Short: "List the backups in a directory, the oldest first",
		Args:  takes("DIRECTORY"),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := backup.List(args[0])
			if err != nil {
				return err
			}
			if all == nil {
				all = []backup.Saved{} // in JSON, none is a list, too
			}
			return e.print(all, func(w io.Writer) {
				var rows [][]string
				for _, b := range all {
					rows = append(rows, []string{filepath.Base(b.File), b.Created.Format(time.RFC3339), size(b.Bytes)})
				}
				table(w, "There are no backups in "+args[0]+".", []string{"FILE", "MADE", "SIZE"}, rows)
			})
		},
	}
}

func (e *env) restoreCommand() *cobra.Command {
	var (
		identity string
		accept   bool
	)
	c := &cobra.Command{
		Use:   "restore FILE --identity FILE",
		Short: "Bring an installation back from a backup, into an empty home",
		Long: "Bring an installation back from a backup, into a home that is empty or does not exist. Nothing runs\n" +
			"afterwards: start it with `marina up`, with the flags of before, and everything comes back. If this is\n" +
			"interrupted, nothing starts on what is half there; run it again, and it starts over.",
		Example: "  marina restore marina-1a2b3c4d-20261124T080000Z.marina-backup --identity /media/usb/marina-identity",
		Args:    takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if identity == "" {
				return &usageError{cmd, "--identity is missing: name the file that `marina backup keygen` made"}
			}
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			identities, err := backup.Identities(identity)
			if err != nil {
				return err
			}
			etcd, err := artifacts.Path(artifacts.Etcd)
			if err != nil {
				return err
			}
			step := e.steps.Begin("Restoring into %s", h.Dir)
			done, err := backup.Restoration{
				Home: h, Etcd: etcd, File: args[0], Identities: identities, Incomplete: accept,
				Say: func(what string) { step.Detail("%s", what) },
			}.Run(cmd.Context())
			if err != nil {
				step.Failed()
				return err
			}
			step.Done("Restored %s as of %s", counted(done.Manifest), done.Manifest.Created.Format(time.RFC3339))
			return e.print(done, func(w io.Writer) {
				fmt.Fprintf(w, "Start it, with the flags of before: %s up --detach --demo=false\n", e.marina())
				if v := done.Manifest.Vault; v != "" {
					fmt.Fprintf(w, "Its secrets are sealed by %s: nothing opens without that, so name it with the --vault- flags.\n", plain(v))
				}
			})
		},
	}
	c.Flags().StringVar(&identity, "identity", "", "`file` with the secret key")
	c.Flags().BoolVar(&accept, "incomplete", false, "bring clusters back empty whose data the backup lacks")
	return c
}

// counted says how many clusters there are in a backup.
func counted(m archive.Manifest) string {
	saved := 0
	for _, k := range m.Clusters {
		if k.State == archive.Saved || k.State == archive.Empty {
			saved++
		}
	}
	return count(saved, "cluster")
}

// size is a number of bytes as people read it.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
}
