// Command tagproc is an Envoy external processor that keeps each user on one
// version: it hashes the user's id and answers with a tag that routes match on.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

// Exit codes. Scripts rely on them.
const (
	exitOK       = 0
	exitProblems = 1 // the command ran, and what it was asked about is not as it should be
	exitUsage    = 2 // the command was not understood
	exitUnable   = 2 // verify could not compare; its exitProblems says that users differ
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	go endOnSignals(cancel)
	code := run(ctx, newRootCommand())
	cancel(nil)
	os.Exit(code)
}

// endOnSignals ends the command in good order at the first signal, and at once at
// the second.
func endOnSignals(cancel context.CancelCauseFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		signal.Notify(signals, syscall.SIGHUP)
	}
	cancel(&signalError{<-signals})
	<-signals
	os.Exit(exitProblems)
}

// A signalError is why a command is to end.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return e.signal.String() + " received" }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tagproc",
		Short: "Keep each user on one version, behind Envoy",
		Long: `tagproc keeps each user on one version of an application during a canary
release. Envoy sends it the headers of each request (ext_proc); tagproc hashes
the user's id into a bucket, compares the bucket with the ranges of its rules,
and answers with the tag header that routes match on.`,
		Example: `  tagproc demo                                              # see it at work behind a real Envoy
  tagproc validate rules.yaml                               # check a rules file
  tagproc explain --rules rules.yaml -H 'x-user-id: jack'   # why does jack get this version?
  tagproc serve --rules rules.yaml                          # answer Envoy
  tagproc render envoyfilter --rules rules.yaml             # have Istio's gateway ask it
  tagproc lint rules.yaml manifests/                        # what would not work, and the fix`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServeCommand(), newValidateCommand(), newExplainCommand(), newConvertCommand(), newVerifyCommand(), newLintCommand(), newRenderCommand(), newDemoCommand(), newVersionCommand())
	return root
}

// noArgs refuses arguments, and says what files are named with.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flags().Lookup("rules") != nil {
		hint = fmt.Sprintf("; did you mean --rules %s?", args[0])
	}
	return fmt.Errorf("%s takes no arguments, and here is %q%s", cmd.Name(), args[0], hint)
}

// run executes the command and returns its exit code.
func run(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if f, ok := errors.AsType[*failure](err); ok {
		if f.err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "tagproc:", f.err)
		}
		return cmp.Or(f.code, exitProblems)
	}
	for line := range strings.Lines(err.Error()) { // an error for each flag that is wrong
		fmt.Fprintln(cmd.ErrOrStderr(), "tagproc:", strings.TrimSuffix(line, "\n"))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Run '%s --help' for how to use it.\n", cmd.CommandPath())
	return exitUsage
}

// A failure ends a command that was understood. Any other error of a command is
// one of usage.
type failure struct {
	err  error // nil: the command has said already what is wrong
	code int   // the exit code; 0 stands for exitProblems
}

func (f *failure) Error() string {
	if f.err == nil {
		return "there are problems"
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// fail returns err as a failure, nil as nil.
func fail(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: err}
}
