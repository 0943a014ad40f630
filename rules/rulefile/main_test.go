package rulefile

import (
	"context"
	"fmt"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// tb is what testing.T and rapid.T have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
	Context() context.Context
}

// tagging returns a rules file that gives everybody the tag value.
func tagging(value string) string {
	return fmt.Sprintf("rules:\n- header: x-user-id\n  tagHeader: x-tag\n  policies:\n  - range: 100\n    tagValue: %s\n", value)
}

// state tells loads apart: the value that the rules tag with, or the kind of
// the first problem.
func state(l Load) string {
	if l.Table == nil {
		return string(l.Problems[0].Kind)
	}
	if tags := l.Table.Tags(); len(tags) > 0 {
		return tags[0].Value
	}
	return "no tags"
}
