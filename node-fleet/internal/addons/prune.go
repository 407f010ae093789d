package addons

import (
	"encoding/json"
	"fmt"
	"strings"
)

// prune removes the field at path from v, a decoded JSON value, and reports
// whether it was there. A path is what the API server names in a conflict, such
// as .spec.template.spec.containers[name="coredns"].image (the notation of
// sigs.k8s.io/structured-merge-diff/fieldpath, which does not quote the names of
// fields: which dots belong to a name shows only in v).
func prune(v any, path string) bool {
	switch v := v.(type) {
	case map[string]any:
		return pruneField(v, path)
	case []any:
		return pruneElement(v, path)
	}
	return false
}

func pruneField(m map[string]any, path string) bool {
	for key, child := range m {
		rest, ok := strings.CutPrefix(path, "."+key)
		if !ok {
			continue
		}
		if rest == "" {
			delete(m, key)
			return true
		}
		if rest[0] != '.' && rest[0] != '[' {
			continue // the key is only the beginning of a longer one
		}
		if prune(child, rest) {
			return true
		}
	}
	return false
}

// pruneElement follows a selector of list elements, such as [name="a",port=53].
func pruneElement(list []any, path string) bool {
	for _, element := range list {
		m, ok := element.(map[string]any)
		if !ok {
			continue
		}
		rest, ok := selects(path, m)
		if ok && rest != "" && prune(m, rest) {
			return true
		}
	}
	return false
}

// selects reports whether the selector at the beginning of path is m's, and
// returns what follows it. It compares with what m would be named: the values may
// hold any character, so the selector cannot be cut out without knowing them.
func selects(path string, m map[string]any) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, "[")
	for ok {
		rest, ok = cutPair(rest, m)
		if after, more := strings.CutPrefix(rest, ","); ok && more {
			rest = after
			continue
		}
		break
	}
	if !ok {
		return "", false
	}
	return strings.CutPrefix(rest, "]")
}

// cutPair cuts one key="value" of m from the beginning of text.
func cutPair(text string, m map[string]any) (rest string, ok bool) {
	for key, value := range m {
		encoded, err := json.Marshal(value)
		if err != nil {
			continue
		}
		if rest, ok := strings.CutPrefix(text, fmt.Sprintf("%s=%s", key, encoded)); ok {
			return rest, true
		}
	}
	return "", false
}
