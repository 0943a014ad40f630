package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/source"
)

// stdout and stderr return where a command writes. Nothing prints past them.
func stdout(cmd *cobra.Command) *terminal.Writer { return terminal.New(cmd.OutOrStdout()) }

func stderr(cmd *cobra.Command) *terminal.Writer { return terminal.New(cmd.ErrOrStderr()) }

// output is the output format of a command, a flag.
type output string

const (
	outputText output = "text" // for people
	outputJSON output = "json" // for scripts
)

// String, Set and Type make output a flag.
func (o *output) String() string { return string(*o) }

func (o *output) Set(s string) error {
	switch output(s) {
	case outputText, outputJSON:
		*o = output(s)
		return nil
	}
	return fmt.Errorf("expected %s or %s", outputText, outputJSON)
}

func (o *output) Type() string { return "text|json" }

func (o *output) addTo(cmd *cobra.Command) {
	*o = outputText
	cmd.Flags().VarP(o, "output", "o", "output format")
	completeWith(cmd, "output", string(outputText), string(outputJSON))
}

// writeProblems writes each problem on a line, and on a terminal also its line of the
// file and a caret.
func writeProblems(t *terminal.Writer, ps source.Problems) {
	for _, p := range ps {
		if t.IsTerminal() {
			writeProblem(t, p)
		} else {
			t.Printf("%s\n", p)
		}
	}
}

// writeProblem writes a problem with its line of the file.
func writeProblem(t *terminal.Writer, p source.Problem) {
	severity := map[source.Severity]terminal.Style{source.Error: terminal.Alarm, source.Warning: terminal.Warning, source.Note: terminal.Bold}[p.Severity]
	t.Printf("%s: %s: %s %s\n", terminal.Bold.Textf("%s", p.Place()), severity.Textf("%s", p.Severity),
		p.Message, terminal.Faint.Textf("[%s]", p.Kind))
	if p.Source != "" {
		t.Printf("%5d | %s\n      | %s\n", p.Line, terminal.Line(p.Source), severity.Textf("%s", terminal.Line(p.Caret())))
	}
}
