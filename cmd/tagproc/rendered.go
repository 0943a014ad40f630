package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// rendered is where the objects of a subcommand of render go: standard output, or
// a file for each in a directory.
type rendered struct{ dir string }

func (r *rendered) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.dir, "output-dir", "", "write a file for each object into the directory `DIR` (default: standard output)")
	must(cmd.MarkFlagDirname("output-dir"))
}

// check returns a usage error if --output-dir is not a directory.
func (r *rendered) check() error {
	if r.dir == "-" {
		return errors.New("--output-dir -: expected a directory; without the flag everything goes to standard output")
	}
	if info, err := os.Stat(r.dir); err == nil && !info.IsDir() {
		return fmt.Errorf("--output-dir %s: this is a file, and each object gets a file of its own; name a directory, or leave the flag out and write > %s", r.dir, r.dir)
	}
	return nil
}

// write writes the objects that cmd made from args, below lines that say so.
func (r *rendered) write(cmd *cobra.Command, args []string, objects ...*manifest.Object) error {
	if r.dir == "" {
		text, err := withOrigin(cmd, args, objects...)
		if err != nil {
			return fail(err)
		}
		return fail(stdout(cmd).Document(text))
	}
	files := make(map[string][]byte, len(objects))
	var names []string
	for _, o := range objects {
		name := o.FileName()
		if _, twice := files[name]; twice || name != filepath.Base(name) {
			return fail(fmt.Errorf("couldn't name a file after each object: %s appears twice, or cannot name a file", name))
		}
		text, err := withOrigin(cmd, args, o)
		if err != nil {
			return fail(err)
		}
		files[name] = text
		names = append(names, name)
	}
	if err := os.MkdirAll(r.dir, 0o777); err != nil {
		return fail(fmt.Errorf("couldn't make the directory of --output-dir: %w", err))
	}
	if err := r.refuseForeign(names); err != nil {
		return fail(err)
	}
	for _, name := range names {
		what, err := rewrite(filepath.Join(r.dir, name), files[name])
		if err != nil {
			return fail(err)
		}
		stdout(cmd).Printf("%s: %s\n", filepath.Join(r.dir, name), what)
	}
	return fail(r.nameStale(cmd, args, names, objects))
}

// refuseForeign returns an error that names each file that would be overwritten though
// render did not write it.
func (r *rendered) refuseForeign(names []string) error {
	var errs []error
	for _, name := range names {
		path := filepath.Join(r.dir, name)
		switch text, err := os.ReadFile(path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, fmt.Errorf("couldn't write over %s: %w", path, err))
		case !bytes.HasPrefix(text, []byte(originPrefix)):
			errs = append(errs, fmt.Errorf("%s was not made by render, or no longer says so: nothing is written; move it away or choose another directory", path))
		}
	}
	return errors.Join(errs...)
}

// nameStale names files with objects that are no longer wanted and that the cluster
// may still have: those that an earlier run of the same command wrote and this one does
// not, and those whose labels name the group written here. It names routes before the
// subsets that they lead to: the order in which to delete them.
func (r *rendered) nameStale(cmd *cobra.Command, args, names []string, objects []*manifest.Object) error {
	paths, err := filepath.Glob(filepath.Join(r.dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(paths) {
		if slices.Contains(names, filepath.Base(path)) {
			continue
		}
		text, err := os.ReadFile(path)
		if err == nil && (bytes.HasPrefix(text, []byte(origin(cmd, args))) || isStalePart(text, objects)) {
			stderr(cmd).Printf("%s: an earlier run wrote it, and this one does not: kubectl delete -f %s, and delete the file\n", path, word(path))
		}
	}
	return nil
}

// Labels that say that render made an object, and for which group.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	partOfLabel    = "app.kubernetes.io/part-of"
)

// isStalePart reports whether a file has a single object that render made for the group
// of objects and that is not among them. A Gateway never is: others may use it.
func isStalePart(text []byte, objects []*manifest.Object) bool {
	docs, _ := source.Read("", text)
	if len(docs) != 1 || docs[0].Labels[managedByLabel] != "tagproc" || docs[0].Kind == "Gateway" {
		return false
	}
	group, isPart := docs[0].Labels[partOfLabel]
	return isPart && slices.ContainsFunc(objects, func(o *manifest.Object) bool { return o.Labels[partOfLabel] == group }) &&
		!slices.ContainsFunc(objects, func(o *manifest.Object) bool {
			return o.Kind == docs[0].Kind && o.Namespace == docs[0].Namespace && o.Name == docs[0].Name
		})
}

// rewrite replaces a file by text in one step, and says what it did.
func rewrite(path string, text []byte) (what string, err error) {
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, text) {
		return "unchanged", nil
	}
	what = "written"
	if err == nil {
		what = "changed"
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", fmt.Errorf("couldn't write %s: %w", path, err)
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("couldn't write %s: %w", path, errors.Join(err, os.Remove(temporary.Name())))
	}
	return what, nil
}

// originPrefix begins everything that render writes. The marker allows outputs to be
// concatenated: without it the last object of one and the first of the next would be
// a single document, and kubectl would apply parts of it.
const originPrefix = "---\n# Made by: "

// origin returns the lines above what cmd makes from args.
func origin(cmd *cobra.Command, args []string) string {
	return originPrefix + commandLine(cmd, args) + "\n# Edit what it is made of, not this: the next run writes over it.\n"
}

// withOrigin returns objects as text, below the command that made them.
func withOrigin(cmd *cobra.Command, args []string, objects ...*manifest.Object) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(origin(cmd, args) + "\n")
	if err := manifest.Write(&out, objects...); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// commandLine returns the command as one would type it. It is equal on every machine:
// it has the flags that are set, sorted, without --output-dir, and the names of files
// without the machine's directories.
func commandLine(cmd *cobra.Command, args []string) string {
	line := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch list, ok := f.Value.(pflag.SliceValue); {
		case f.Name == "output-dir":
		case f.Value.Type() == "stringArray": // whose elements may have commas
			for _, v := range list.GetSlice() {
				line = append(line, "--"+f.Name, word(v))
			}
		case ok:
			line = append(line, "--"+f.Name, word(strings.Join(list.GetSlice(), ",")))
		case f.Value.Type() == "bool":
			line = append(line, "--"+f.Name+strings.TrimSuffix("="+f.Value.String(), "=true"))
		default:
			line = append(line, "--"+f.Name, word(f.Value.String()))
		}
	})
	for _, a := range args {
		line = append(line, word(a))
	}
	return strings.Join(line, " ")
}

// word returns an argument as a comment shows it. An absolute path becomes the name of its
// file.
func word(s string) string {
	if filepath.IsAbs(s) {
		s = filepath.Base(s)
	}
	return words.Shell(s)
}
