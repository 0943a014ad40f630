// Package source is text with places: what rules files, manifests, lanes files
// and configurations of Envoy are read from, and how what is wrong in them is
// told.
//
// A [Problem] names a file, a line and a column, what is wrong there, and what
// was expected.
//
// This package never knows what a text is about, files, or networks.
package source
