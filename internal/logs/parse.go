package logs

import (
	"encoding/json"
	"iter"
	"log/slog"
	"strings"
)

// parse reads a line of JSON that New's logger wrote.
func parse(line string) (map[string]any, bool) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if d.Decode(&fields) != nil {
		return nil, false
	}
	_, ok := fields[slog.MessageKey].(string)
	return fields, ok
}

// keys are the names of a line's attributes.
func keys(fields map[string]any) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range fields {
			if k != slog.TimeKey && k != slog.LevelKey && k != slog.MessageKey && !yield(k) {
				return
			}
		}
	}
}
