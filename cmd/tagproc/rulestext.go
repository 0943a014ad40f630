package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/inplace"
	"github.com/tagproc/tagproc/kube"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A rulesText is the text of rules in a file or in a ConfigMap of a cluster.
type rulesText struct {
	name    string // as problems call it
	bytes   []byte
	cluster bool     // the text is a ConfigMap's
	writers []string // tools that may write that ConfigMap again

	// replace puts another text in the place of this one, unless that has changed.
	replace func(ctx context.Context, text []byte) error
}

// read returns the text of rules: that of a file, of standard input, which is "-", or of a
// configmap://.
func (f *rulesFlags) read(cmd *cobra.Command, name string) (*rulesText, *source.Problem) {
	if kube.IsReference(name) {
		text, err := f.readCluster(cmd.Context(), name)
		if err != nil {
			return nil, &source.Problem{File: name, Kind: source.KindUnreadable, Message: strings.TrimPrefix(err.Error(), name+": ")}
		}
		return text, nil
	}
	src, wrong := read(cmd, name, rules.MaxFileSize)
	if wrong != nil {
		return nil, wrong
	}
	return &rulesText{name: name, bytes: src, replace: func(ctx context.Context, text []byte) error {
		return inplace.Replace(ctx, name, src, text)
	}}, nil
}

func (f *rulesFlags) readCluster(ctx context.Context, name string) (*rulesText, error) {
	reference, err := kube.ParseReference(name)
	if err != nil {
		return nil, err
	}
	client, err := kube.Connect(f.kubeconfig)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	edit, err := client.Edit(ctx, reference)
	if err != nil {
		return nil, err
	}
	return &rulesText{name: edit.Reference.String(), bytes: edit.Text, cluster: true, writers: edit.Writers, replace: func(ctx context.Context, text []byte) error {
		defer client.Close()
		return edit.Replace(ctx, text)
	}}, nil
}
