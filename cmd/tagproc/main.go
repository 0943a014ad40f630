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

	"github.com/tagproc/tagproc/internal/terminal"
)

// version is set by the linker.
var version = "unknown"

// Exit codes. Scripts rely on them.
const (
	exitOK       = 0
	exitProblems = 1 // the command ran and found problems
	exitUsage    = 2 // the command is not understood
	exitUnable   = 2 // verify cannot compare; its exitProblems says that users differ
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go endOnSignals(signals, cancel)
	code := run(ctx, newRootCommand())
	cancel(nil)
	os.Exit(code)
}

// endOnSignals ends the command in good order at the first signal, and at once at the
// second.
func endOnSignals(signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	cancel(&signalError{<-signals})
	<-signals
	os.Exit(exitProblems)
}

// A signalError is a signal as the reason why a command ends.
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
  tagproc diff rules.yaml new.yaml                          # who moves?
  tagproc serve --rules rules.yaml                          # answer Envoy
  tagproc status                                            # do all replicas decide alike?
  tagproc render envoyfilter --rules rules.yaml             # have Istio's gateway ask it
  tagproc lint rules.yaml manifests/                        # what does not work, and the fix`,
		Version:       version,
		Args:          subcommandOnly,
		RunE:          help,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServeCommand(), newValidateCommand(), newExplainCommand(), newDiffCommand(), newRolloutCommand(), newSimulateCommand(), newConvertCommand(), newVerifyCommand(), newLintCommand(), newTraceCommand(), newRenderCommand(), newSchemaCommand(), newStatusCommand(), newDemoCommand(), newVersionCommand())
	completeNothing(root)
	return root
}

// run executes the command and returns its exit code.
func run(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	t := stderr(cmd)
	if f, ok := errors.AsType[*failure](err); ok {
		if f.err != nil {
			writeErrors(t, f.err)
		}
		return cmp.Or(f.code, exitProblems)
	}
	if missing, is := strings.CutPrefix(err.Error(), "required flag(s) "); is {
		names := strings.ReplaceAll(strings.TrimSuffix(missing, " not set"), `"`, "")
		err = fmt.Errorf("expected --%s FILE", strings.ReplaceAll(names, ", ", " FILE and --")) // all of them are files
	}
	writeErrors(t, err)
	t.Printf("Run '%s --help' for how to use it.\n", cmd.CommandPath())
	return exitUsage
}

// writeErrors writes an error on one line, and joined errors on one line each.
func writeErrors(t *terminal.Writer, err error) {
	for _, e := range joined(err) {
		t.Printf("tagproc: %s\n", e)
	}
}

// joined returns the errors that errors.Join put into err, or err alone.
func joined(err error) (errs []error) {
	j, ok := err.(interface{ Unwrap() []error }) // not errors.As: an error that wraps a joined one is not joined
	if !ok || errors.Join(j.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	for _, e := range j.Unwrap() {
		errs = append(errs, joined(e)...)
	}
	return errs
}

// A failure ends a command that is understood. Any other error of a command is a
// usage error.
type failure struct {
	err  error // nil: already reported
	code int   // the exit code; 0 stands for exitProblems
}

func (f *failure) Error() string {
	if f.err == nil {
		return "already reported"
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
