package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Sealed data begins with a header, "marina:v1:7:" for version 7 of its key, and
// goes on with what box.seal made. The first number is that of this format.
const prefix = "marina:v1:"

func header(version int) []byte { return fmt.Appendf(nil, "%s%d:", prefix, version) }

// split takes sealed data apart. It accepts only headers that header makes.
func split(sealed []byte) (version int, body []byte, err error) {
	rest, ok := bytes.CutPrefix(sealed, []byte(prefix))
	if !ok {
		return 0, nil, ErrRefused
	}
	// As many digits as an int32 has: the body may hold any byte, so the search
	// for the colon must not run on into it.
	digits, _, ok := bytes.Cut(rest[:min(len(rest), 11)], []byte{':'})
	version, err = strconv.Atoi(string(digits))
	if !ok || err != nil || version < 1 || !bytes.HasPrefix(sealed, header(version)) {
		return 0, nil, ErrRefused
	}
	return version, sealed[len(header(version)):], nil
}

// Version returns which version of its key something was sealed under. It is
// public: whoever watches it sees that a key was rotated. It does not check that
// the data would open.
func Version(sealed []byte) (string, error) {
	version, _, err := split(sealed)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(version), nil
}

// bound is what is authenticated beside a message: its header, the key's name and
// the caller's additional data, put together so that no two cases look alike.
func bound(version int, key string, additional []byte) []byte {
	b := header(version)
	b = binary.BigEndian.AppendUint64(b, uint64(len(key)))
	b = append(b, key...)
	return append(b, additional...)
}

// wrapping is what a wrapped data key is bound to: its name and version.
func wrapping(name string, version int) []byte {
	return append([]byte("marina data key:"), bound(version, name, nil)...)
}
