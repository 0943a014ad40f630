// Package source is text with places: what rules files, manifests, lanes files
// and configurations of Envoy are read from, and how what is wrong in them is
// told.
//
// [Parse] makes a [Text] of YAML or JSON: its documents, and the place of
// everything in them. It reads what kubectl's reader reads: streams, a byte order
// mark at the head of any document, a %YAML 1.2 directive, the surrogate pairs of
// JSON, and UTF-16. [Read] makes a [Document] of each object, the items of Lists
// included. A [Problem] names a file, a line and a column, what is wrong there, and
// what was expected. [Text.Edit] replaces one scalar and leaves every other byte as
// it is.
//
// This package never knows what a text is about, files, or networks.
package source
