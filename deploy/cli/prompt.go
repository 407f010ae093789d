package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// prompt asks a person for what is missing. A password is never an argument, which
// other users of the machine could see.
type prompt struct {
	ctx      context.Context // of the one command that asks
	asks     io.Writer
	lines    *bufio.Reader
	terminal int // file descriptor; -1 when nobody can be asked
}

func (e *env) prompt(cmd *cobra.Command) prompt {
	in := cmd.InOrStdin()
	p := prompt{ctx: cmd.Context(), asks: e.errs, lines: bufio.NewReader(in), terminal: -1}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal = int(f.Fd())
	}
	return p
}

// email returns the given address, or asks for one.
func (p prompt) email(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if p.terminal < 0 {
		return "", errors.New("say who you are with --email")
	}
	fmt.Fprint(p.asks, "E-mail: ")
	line, err := p.unlessInterrupted(func() (string, error) { return p.lines.ReadString('\n') })
	if err != nil {
		return "", fmt.Errorf("read the e-mail address: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// password asks on a terminal without showing what is typed; elsewhere the
// password is the next line of the standard input.
func (p prompt) password(question string) (string, error) {
	if p.terminal < 0 {
		line, err := p.lines.ReadString('\n')
		if err != nil && line == "" {
			return "", fmt.Errorf("nobody can be asked here: give the standard input a line for %q", strings.TrimSuffix(question, ": "))
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	fmt.Fprint(p.asks, question)
	defer fmt.Fprintln(p.asks)
	password, err := p.unlessInterrupted(func() (string, error) {
		data, err := term.ReadPassword(p.terminal)
		return string(data), err
	})
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return password, nil
}

// code asks for the code of a second factor, which is good once and may be seen.
func (p prompt) code() (string, error) {
	if p.terminal < 0 {
		line, err := p.lines.ReadString('\n')
		if err != nil && line == "" {
			return "", errors.New("the account has a second factor: give its code, or a recovery code, as the second line of the standard input")
		}
		return strings.TrimSpace(line), nil
	}
	fmt.Fprint(p.asks, "Code of your authenticator, or a recovery code: ")
	line, err := p.unlessInterrupted(func() (string, error) { return p.lines.ReadString('\n') })
	if err != nil {
		return "", fmt.Errorf("read the code: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// newPassword asks twice on a terminal: nobody could log in with a slip of the keys.
func (p prompt) newPassword() (string, error) {
	password, err := p.password("Password (12 characters or more): ")
	if err != nil || p.terminal < 0 {
		return password, err
	}
	again, err := p.password("The same again: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", errors.New("the two passwords differ: try again")
	}
	return password, nil
}

// unlessInterrupted ends with the command although a read from a terminal does
// not, and leaves the terminal as it was.
func (p prompt) unlessInterrupted(read func() (string, error)) (string, error) {
	before, err := term.GetState(p.terminal)
	if err != nil {
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read()
		answered <- answer{text, err}
	}()
	select {
	case a := <-answered:
		return a.text, a.err
	case <-p.ctx.Done():
		return "", errors.Join(context.Cause(p.ctx), term.Restore(p.terminal, before))
	}
}
