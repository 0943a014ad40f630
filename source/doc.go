// Package source is text with places: rules files, manifests, lanes files and
// configurations of Envoy are read from it, and what is wrong in them is reported by
// it.
//
// [Documents] reads a stream of YAML or JSON, and [Objects] makes objects of
// Kubernetes of it, the items of Lists each as one. A [Value] is what stands at
// one place of a document. A [Reader] takes values apart by a table of [Field]s
// and collects what is wrong: wrong types, missing values, keys that nobody knows
// and what was meant by them. [Reader.Message] reads a value into a protobuf
// message. [Replace] changes scalars in a file and no other byte; [Put],
// [Append] and [Remove] change entries of mappings and elements of lists.
//
// A [Problem] names a file, a line and a column, what is wrong there, and what
// was expected.
//
// This package never knows what a text is about, files, or networks.
package source
