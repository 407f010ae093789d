package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/marina-cloud/marina/internal/fault"
)

func TestFault(t *testing.T) {
	t.Parallel()
	declared := fault.New(fault.Conflict, "taken", "It is taken.")
	err := fmt.Errorf("create: %w", declared.Saying("%q is taken.", "x").Because(io.EOF))
	if !errors.Is(err, declared) || !errors.Is(err, io.EOF) || errors.Is(err, fault.New(fault.Conflict, "other", "")) {
		t.Errorf("%v does not know what it is", err)
	}
	if f := fault.From(err); f.Kind != fault.Conflict || f.Msg != `"x" is taken.` {
		t.Errorf("From: %+v", f)
	}
	if declared.Msg != "It is taken." {
		t.Error("a declared fault was changed")
	}
	if f := fault.From(io.EOF); f.Kind != fault.Internal || f.Msg == io.EOF.Error() {
		t.Errorf("a customer sees %q of our bug", f.Msg)
	}
}

func TestInvalidFields(t *testing.T) {
	t.Parallel()
	if err := fault.InvalidFields(nil); err != nil {
		t.Errorf("nothing is wrong, but %v", err)
	}
	err := fault.InvalidFields([]fault.Field{{Name: "a", Reason: "is empty"}, {Name: "b", Reason: "is long"}})
	if f := fault.From(err); f.Kind != fault.Invalid || len(f.Fields) != 2 || f.Msg != "The request is not valid: a is empty; b is long." {
		t.Errorf("%+v", f)
	}
}
