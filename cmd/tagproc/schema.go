package main

import (
	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/rules"
)

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of rules files",
		Long: `Print the JSON Schema (2020-12) of rules files, by which editors complete keys, say
what they mean, and mark what is wrong. It is for rules in no manifest. A file that
tagproc accepts validates; validate refuses more, such as a range above the modulo.

An editor with the YAML language server takes the schema from the first line of a
file: # yaml-language-server: $schema=rules.schema.json`,
		Example: `  tagproc schema > rules.schema.json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fail(stdout(cmd).Document(rules.Schema()))
		},
	}
}
