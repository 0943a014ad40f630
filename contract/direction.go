package contract

import "slices"

// DirectionKey is the key of the gRPC metadata of a stream that says its
// Direction, by name: initial_metadata of Envoy's grpc_service.
const DirectionKey = "tagproc-direction"

// A Direction says where on its way a request is, and so what is done to it. The
// zero value is Gateway, which streams need not say.
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
	// UnknownDirection is what any other name says. Nothing is done.
	UnknownDirection
)

var directionNames = [...]string{
	Gateway: "gateway", Restore: "restore", Recompute: "recompute", Collect: "collect", UnknownDirection: "unknown",
}

// String returns the name as streams say it: "restore".
func (d Direction) String() string { return directionNames[d] }

// DirectionNames returns what streams may say.
func DirectionNames() []string { return slices.Clone(directionNames[:UnknownDirection]) }

// ParseDirection returns the direction of a name, or UnknownDirection.
func ParseDirection(name string) Direction {
	if i := slices.Index(directionNames[:UnknownDirection], name); i >= 0 {
		return Direction(i)
	}
	return UnknownDirection
}
