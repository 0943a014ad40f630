package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tagproc/tagproc/internal/paint"
	"github.com/tagproc/tagproc/rules"
)

// output is the form of what a command prints, a flag.
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
	cmd.Flags().VarP(o, "output", "o", "form of the output")
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]string{string(outputText), string(outputJSON)}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag has just been added
	}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// isTerminal reports whether people look at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// isColored reports whether w shows colours, which people may not want
// (no-color.org).
func isColored(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// writeProblems writes problems one line each, and on a terminal each with its
// line of the file and a caret.
func writeProblems(w io.Writer, ps rules.Problems) {
	for _, p := range ps {
		if isTerminal(w) {
			writeProblem(w, p, isColored(w))
		} else {
			fmt.Fprintln(w, p)
		}
	}
}

// writeProblem writes a problem with its line of the file.
func writeProblem(w io.Writer, p rules.Problem, colored bool) {
	severity := paint.With(colored, color.FgRed, color.Bold)
	if p.Severity == rules.Warning {
		severity = paint.With(colored, color.FgYellow, color.Bold)
	}
	fmt.Fprintf(w, "%s: %s: %s %s\n", paint.With(colored, color.Bold).Sprint(p.Place()), severity.Sprint(p.Severity),
		p.Message, paint.With(colored, color.Faint).Sprintf("[%s]", p.Kind))
	if p.Source != "" {
		number := fmt.Sprintf("%5d", p.Line)
		fmt.Fprintf(w, "%s | %s\n%s | %s\n", number, p.Source, strings.Repeat(" ", len(number)), severity.Sprint(caret(p)))
	}
}

// caret returns a line that points at the problem when it stands below the line
// of the file. Tabs stay tabs, so that both lines are as wide.
func caret(p rules.Problem) string {
	var b strings.Builder
	column := 1
	for _, r := range p.Source {
		if column++; column > p.Col {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String() + "^"
}
