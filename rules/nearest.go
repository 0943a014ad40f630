package rules

import "strings"

// fieldNames returns the names of the fields that a file may use.
func fieldNames(fields []field) []string {
	var ns []string
	for _, f := range fields {
		if !f.reserved {
			ns = append(ns, f.name)
		}
	}
	return ns
}

// names lists the names of fields for a message.
func names(fields []field) string { return strings.Join(fieldNames(fields), ", ") }
