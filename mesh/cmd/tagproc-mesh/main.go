// Command tagproc-mesh says where Istio sends requests by manifests alone, and what in
// them does not work: Istio's control plane runs in it, and no cluster is asked.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/mesh/control"
)

// version is set by the linker.
var version = "unknown"

// Exit codes. Scripts rely on them.
const (
	exitProblems = 1 // the command ran and found problems
	exitUsage    = 2 // the command is not understood
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { stop() }) // the second signal ends the process
	os.Exit(run(ctx, newRootCommand()))
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tagproc-mesh",
		Short: "Say what Istio makes of manifests, without a cluster",
		Long: `tagproc-mesh has Istio's control plane in it: it makes the Envoy configurations of
each gateway and of each kind of pod of manifests, and says where requests go and
what does not work. No cluster is asked.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newTraceCommand(), newLintCommand())
	return root
}

// run executes the command and returns its exit code.
func run(ctx context.Context, root *cobra.Command) int {
	control.Quiet()
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, errReported) {
		return exitProblems
	}
	usage := &usageError{}
	for line := range strings.Lines(err.Error()) {
		stderr(cmd).Printf("tagproc-mesh: %s\n", strings.TrimSpace(line))
	}
	if errors.As(err, &usage) || !cmd.HasParent() || isFlagError(err) {
		stderr(cmd).Printf("Run '%s --help' for how to use it.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitProblems
}

// isFlagError reports whether an error is cobra's own, of flags or arguments.
func isFlagError(err error) bool {
	for _, begin := range []string{"unknown ", "required flag", "invalid argument", "flag needs", "bad flag"} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

// errReported ends a command whose problems are written.
var errReported = errors.New("already reported")

// A usageError is a command that is not understood.
type usageError struct{ error }

// stdout and stderr return where a command writes. Nothing prints past them.
func stdout(cmd *cobra.Command) *terminal.Writer { return terminal.New(cmd.OutOrStdout()) }

func stderr(cmd *cobra.Command) *terminal.Writer { return terminal.New(cmd.ErrOrStderr()) }
