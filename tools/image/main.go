// Command image assembles container images from scratch: static binaries, CA
// certificates and a user without rights. The same flags and the same sources make
// the same digests, wherever and whenever.
//
//	image [flags] REPOSITORY=PACKAGE[,PACKAGE...]...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// architectures are those that an image is made for.
var architectures = []string{"amd64", "arm64"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// command does what the arguments say, and writes a table of what it made.
func command(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "Usage: image [flags] REPOSITORY=PACKAGE[,PACKAGE...]...\n\n"+
			"  image -version v1.2.3 -revision 4f1c… -epoch 1795355040 tagproc/tagproc=./cmd/tagproc\n\n")
		flags.PrintDefaults()
	}
	var of commit
	root := flags.String("root", ".", "`DIR` that the packages are below; go.mod there names the toolchain")
	out := flags.String("out", "bin/image", "`DIR` to write to")
	flags.StringVar(&of.Version, "version", "", "`VERSION`: the images' tag, and what the binaries say of themselves")
	flags.StringVar(&of.Revision, "revision", "", "`HASH` of the commit")
	epoch := flags.Int64("epoch", 0, "`SECONDS` from 1970 to the commit: the time of every file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if of.Version == "" || of.Revision == "" || *epoch <= 0 {
		return errors.New("-version, -revision and -epoch have to say which commit the images are of; make image takes them from git")
	}
	of.Time = time.Unix(*epoch, 0).UTC()
	targets, err := parseTargets(flags.Args(), of.Version)
	if err != nil {
		return err
	}
	b := builder{Root: *root}
	if b.Toolchain, err = toolchain(ctx, *root); err != nil {
		return err
	}
	if b.Toolchain != runtime.Version() { // which compresses the layers
		return fmt.Errorf("this is %s, and go.mod names %s, without which digests differ; run it with GOTOOLCHAIN=%[2]s", runtime.Version(), b.Toolchain)
	}

	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range targets {
		images, err := t.make(ctx, b, of, architectures)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Tag, err)
		}
		made, err := write(*out, t.Tag, of, images)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Tag, err)
		}
		for _, m := range made {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.Tag, m.Platform, m.Digest, m.Path)
		}
	}
	return table.Flush()
}

// A commit is what images are made of.
type commit struct {
	Version, Revision string
	Time              time.Time
}

// A target is an image to make.
type target struct {
	Tag      name.Tag
	Packages []string // paths below the root, such as "./cmd/tagproc"; the first is the entry point
}

// parseTargets reads arguments REPOSITORY=PACKAGE[,PACKAGE...].
func parseTargets(args []string, version string) ([]target, error) {
	if len(args) == 0 {
		return nil, errors.New("no image is named; name one as REPOSITORY=PACKAGE, such as tagproc/tagproc=./cmd/tagproc")
	}
	var targets []target
	var errs []error
	for _, arg := range args {
		repository, pkg, ok := strings.Cut(arg, "=")
		packages := strings.Split(pkg, ",")
		if !ok || slices.ContainsFunc(packages, func(p string) bool { return !strings.HasPrefix(p, "./") }) {
			errs = append(errs, fmt.Errorf("%q is no REPOSITORY=PACKAGE, such as tagproc/tagproc=./cmd/tagproc", arg))
			continue
		}
		tag, err := name.NewTag(repository + ":" + version)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		targets = append(targets, target{tag, packages})
	}
	return targets, errors.Join(errs...)
}
