package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// eachCommand calls f with every command that runs, and its path.
func eachCommand(c *cobra.Command, f func(c *cobra.Command, path []string)) {
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
	if c.HasParent() && c.Runnable() && !c.HasSubCommands() {
		f(c, strings.Fields(c.CommandPath())[1:])
	}
}

// TestSharedFlags checks that every command checks the flags that it shares with
// others, whatever it checks of its own, and that -o means one thing.
func TestSharedFlags(t *testing.T) {
	t.Parallel()
	checked := 0
	eachCommand(newRootCommand(), func(c *cobra.Command, path []string) {
		if o := c.Flags().ShorthandLookup("o"); o != nil && (o.Name != "output" || o.Usage != "output format" || o.Value.Type() != "text|json") {
			t.Errorf("%s: -o is --%s %s, %q", c.CommandPath(), o.Name, o.Value.Type(), o.Usage)
		}
		args := path
		for flag, value := range map[string]string{"tag-header": "content-length", "rules": "gone.yaml", "observed": "gone.csv"} {
			if c.Flags().Lookup(flag) != nil {
				args = append(args, "--"+flag, value)
			}
		}
		if c.Flags().Lookup("tag-header") == nil {
			return
		}
		checked++
		for _, word := range strings.Fields(c.Use)[1:] {
			switch {
			case strings.Contains(c.Use, "--") || strings.HasPrefix(word, "["): // a flag's, or may be left out
			case strings.HasPrefix(word, "TAG="):
				args = append(args, "s2=1%")
			case strings.HasPrefix(word, "PERCENT@"):
				args = append(args, "1%@+1h")
			default:
				args = append(args, "gone.yaml")
			}
		}
		var out bytes.Buffer
		root := newRootCommand()
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(&out)
		if code := run(t.Context(), root); code != exitUsage || !strings.Contains(out.String(), `"content-length" must not be written`) {
			t.Errorf("tagproc %s: exit code %d, %s", strings.Join(args, " "), code, out.String())
		}
	})
	if checked < 9 {
		t.Errorf("%d commands have --tag-header, want all that read rules", checked)
	}
}
