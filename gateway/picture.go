package gateway

import (
	"bytes"
	"encoding/json"
)

// picture is what a reader was told, by id.
type picture map[string][]byte

// update returns what the reader does not know yet, and holds it as told.
func (p picture) update(now scene) (changes []ChangeView) {
	there := map[string]bool{}
	for _, t := range now.things {
		if t.change == nil {
			changes = append(changes, p.forget(t.id)...)
			continue
		}
		there[t.id] = true
		text, err := json.Marshal(t.change)
		if err == nil && bytes.Equal(p[t.id], text) {
			continue
		}
		p[t.id] = text
		changes = append(changes, *t.change)
	}
	if now.whole {
		for id := range p {
			if !there[id] {
				changes = append(changes, p.forget(id)...)
			}
		}
	}
	return changes
}

func (p picture) forget(id string) []ChangeView {
	if _, ok := p[id]; !ok {
		return nil
	}
	delete(p, id)
	return []ChangeView{{Kind: "gone", Gone: id}}
}
