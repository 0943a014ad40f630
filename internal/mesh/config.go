package mesh

import (
	_ "embed"
	"strings"
)

// Config is envoy.yaml: an Envoy that reaches tagproc by TCP.
//
//go:embed envoy.yaml
var Config string

// ConfigUnix is Config, except that the address of the cluster tagproc is a Unix socket.
var ConfigUnix = strings.Replace(Config,
	"address: {socket_address: {address: 127.0.0.1, port_value: 9002}}",
	"address: {pipe: {path: "+tagprocSocket+"}}", 1)
