// Package envoyconf is an Envoy's configuration as a model: it reads a bootstrap, what
// the admin port's /config_dump returns, or single listeners, route configurations and
// clusters, and says where Envoy sends a request, and why it takes no route before.
//
// Its messages are those of go-control-plane, each with its place in the file. What this
// model lacks, such as an extension of an unknown type, is kept, and the answer to what
// depends on it is Maybe with a reason: it cannot tell, and does not guess.
//
// The package is given content. It never knows files or networks, nor what tagproc
// decides.
package envoyconf
