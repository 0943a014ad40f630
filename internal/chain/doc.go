// Package chain is the sample applications of the documents on canary releases:
// small HTTP services that call each other in a chain and answer with the version
// that each hop ran.
//
// A service forwards headers and nothing else; its caller says which ones. It
// never chooses a version: every call goes to the mesh's address with the next
// application's name as host, and Envoy chooses. It knows nothing of tagproc and of
// Envoy's configuration.
package chain
