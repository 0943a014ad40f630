// Package mesh is the documents' deployment on one machine: their sample
// applications, in every lane, behind a real Envoy whose ingress has the settings that
// `tagproc render envoy` prints. The demo and the end-to-end tests are the same mesh.
//
// It knows which application runs where. It knows nothing of rules: tagproc is an
// address here.
package mesh
