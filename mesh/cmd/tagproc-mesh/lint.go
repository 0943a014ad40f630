package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newLintCommand() *cobra.Command {
	return &cobra.Command{Use: "lint FILE...", Hidden: true, RunE: func(*cobra.Command, []string) error { return errors.New("not yet") }}
}
