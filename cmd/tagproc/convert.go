package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/wasmplugin"
)

func newConvertCommand() *cobra.Command {
	var flags rulesFlags
	cmd := &cobra.Command{
		Use:   "convert FILE",
		Short: "Turn a manifest with rules into a rules file",
		Long: `Turn a manifest of the Hash tagging plug-in into a rules file: a WasmPlugin or a
TrafficExtension, or its pluginConfig alone, an ASMHashTagging, or a ConfigMap. The rules stay as they are written, comments included, and
tagHeaders is added: the tag headers of the rules, or those of the flags.

No user moves: the rules file has the digest of the manifest, or convert refuses
the manifest. Of an ASMHashTagging the meaning is inferred from its published
types: compare it with the tags that users got (tagproc verify). A request that no policy matches gets no tag, as before. One thing
is new: tag headers that a client sends are removed.

Fields of the manifest that a rules file does not have are listed on standard
error, with their places.

A rules file is printed unchanged. FILE may be -, standard input. The exit code is
0 if a rules file is printed, 1 if the manifest is refused, and 2 if the command
is not understood.`,
		Example: `  tagproc convert hash-tagging.yaml > rules.yaml
  kubectl get wasmplugin hash-tagging -n istio-system -o yaml | tagproc convert - > rules.yaml
  tagproc convert --tag-header-prefix appver hash-tagging.yaml > rules.yaml   # owns every appver…`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) != 1 {
				return errors.New("expected the name of one file, a manifest with rules, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			src, wrong := read(cmd, files[0], rules.MaxFileSize)
			if wrong != nil {
				writeProblems(stderr(cmd), source.Problems{*wrong})
				return &failure{}
			}
			c, problems := wasmplugin.Convert(files[0], src, flags.options())
			writeProblems(stderr(cmd), slices.DeleteFunc(problems, isIgnored))
			if c == nil {
				return &failure{}
			}
			writeNotes(stderr(cmd), files[0], c)
			return fail(stdout(cmd).Document(c.Rules))
		},
		ValidArgsFunction: completeManifests,
	}
	flags.addTo(cmd)
	check(cmd, flags.check)
	return cmd
}

// isIgnored reports whether a problem is the note of a field that changes nothing in the
// rules: the notes of the conversion name these with their reasons.
func isIgnored(p source.Problem) bool {
	return p.Severity == source.Note && p.Kind == rules.KindIgnored
}

const newHere = "%s: new: tag headers that a client sends are removed; Envoy must know the headers that tagHeaders names\n"

// writeNotes says what a conversion changes, and that it moves nobody.
func writeNotes(t *terminal.Writer, file string, c *wasmplugin.Conversion) {
	for _, n := range c.Notes {
		t.Printf("%s: note: %s\n", source.Problem{File: file, Line: n.Line, Col: n.Col}.Place(), n)
	}
	switch {
	case !c.Changed:
		t.Printf("%s: this is a rules file already, printed as it is; digest %s\n", file, c.Digest)
	case !c.Manifest:
		t.Printf("%s: this is a rules file already; tagHeaders is added, and digest %s stays\n", file, c.Digest)
	case c.Inferred:
		t.Printf("%s: manifest and rules file have the digest %s: no user moves if the mesh reads the manifest as tagproc does, which is not proved; compare before you switch (tagproc verify)\n", file, c.Digest)
		t.Printf(newHere, file)
	default:
		t.Printf("%s: no user moves: manifest and rules file have the digest %s\n", file, c.Digest)
		t.Printf(newHere, file)
	}
}
