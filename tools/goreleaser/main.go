// Command goreleaser checks a configuration of GoReleaser as GoReleaser reads it: a
// key that it does not know is an error, and so is a release without SBOMs, without
// signed checksums, without the chart or without an archive of its own for each program.
//
//	goreleaser FILE
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "Usage: goreleaser FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "goreleaser: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// check returns an error if GoReleaser could not use the file.
func check(file string) error {
	project, err := config.Load(file)
	if err == nil && project.Version != 2 { // config.Load only warns of another one
		err = fmt.Errorf("version: %d; this is checked for version: 2", project.Version)
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, artifacts := range []string{"archive", "source"} {
		if !slices.ContainsFunc(project.SBOMs, func(s config.SBOM) bool { return s.Artifacts == artifacts }) {
			errs = append(errs, fmt.Errorf("sboms: none has artifacts: %s; what people download needs an SBOM", artifacts))
		}
	}
	if !slices.ContainsFunc(project.Signs, func(s config.Sign) bool { return s.Artifacts == "checksum" }) {
		errs = append(errs, errors.New("signs: none has artifacts: checksum; nobody could tell who made a release"))
	}
	for _, files := range [][]config.ExtraFile{project.Release.ExtraFiles, project.Checksum.ExtraFiles} {
		if !slices.ContainsFunc(files, func(f config.ExtraFile) bool { return f.Glob == "bin/chart/tagproc-*.tgz" }) {
			errs = append(errs, errors.New("extra_files: release and checksum do not both have bin/chart/tagproc-*.tgz, the Helm chart"))
			break
		}
	}
	for _, program := range []string{"tagproc", "tagproc-mesh"} {
		built := slices.ContainsFunc(project.Builds, func(b config.Build) bool { return b.ID == program && b.Binary == program })
		if !built || !slices.ContainsFunc(project.Archives, func(a config.Archive) bool { return slices.Equal(a.IDs, []string{program}) }) {
			errs = append(errs, fmt.Errorf("builds and archives: %s has no build and archive of its own; who serves does not need tagproc-mesh", program))
		}
	}
	return errors.Join(errs...)
}
