package processor

import (
	"context"
	"slices"

	grpcmetadata "google.golang.org/grpc/metadata"
)

// DirectionKey is the key of the gRPC metadata of a stream that says its
// Direction, by name: initial_metadata of Envoy's grpc_service.
const DirectionKey = "tagproc-direction"

// A Direction says where on its way a request is, and so what is done to it. The
// zero value is Gateway.
type Direction uint8

// The directions.
const (
	// Gateway, where requests come in: tags are decided on, written, and written into
	// the baggage, and those that clients forged are removed.
	Gateway Direction = iota
	// Restore, at a sidecar, outbound: headers are made of the members of baggage that
	// are tags, and nothing else is done.
	Restore
	// Recompute, at a sidecar, outbound: as Restore, and where neither baggage nor a
	// header says a tag the rules decide. Nothing is removed.
	Recompute
	// Collect, at a sidecar, inbound: members of baggage are made of headers that are
	// tags, and nothing else is done.
	Collect

	unknownDirection // said by a stream, and nobody knows what to do
	directions
)

var directionNames = [directions]string{
	Gateway: "gateway", Restore: "restore", Recompute: "recompute", Collect: "collect", unknownDirection: "unknown",
}

// String returns the name as it stands in the metadata of streams.
func (d Direction) String() string { return directionNames[d] }

// directionOf returns the direction that the metadata of a stream says. One that is
// not known is logged, once: all requests of an Envoy would.
func (p *Processor) directionOf(ctx context.Context) Direction {
	said := grpcmetadata.ValueFromIncomingContext(ctx, DirectionKey)
	if len(said) == 0 {
		return Gateway
	}
	known := directionNames[:unknownDirection]
	if i := slices.Index(known, said[0]); i >= 0 {
		return Direction(i)
	}
	if p.directionLogged.CompareAndSwap(false, true) {
		p.log.Error("Envoy asks for a direction that is not known, and its requests are left unchanged; correct initial_metadata of the filter's grpc_service",
			"key", DirectionKey, "value", said[0], "expected", known)
	}
	return unknownDirection
}
