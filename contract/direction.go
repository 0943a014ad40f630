package contract

import "slices"

// DirectionKey is the key of the gRPC metadata of a stream that says its
// Direction, by name: initial_metadata of Envoy's grpc_service.
const DirectionKey = "tagproc-direction"

// A Direction is where on its way a request is, and so what is done to it. The zero value
// is Gateway, the default of a stream.
type Direction uint8

// The directions.
const (
	// Gateway, where requests come in: tags are decided, written into headers and
	// baggage, and those that clients forged are removed.
	Gateway Direction = iota
	// Restore, at a sidecar, outbound: members of baggage that are tags become headers.
	Restore
	// Recompute, at a sidecar, outbound: as Restore, and the rules decide if neither
	// baggage nor a header has a tag. Nothing is removed.
	Recompute
	// Collect, at a sidecar, inbound: headers that are tags become members of baggage.
	Collect
	// UnknownDirection is any other name. Nothing is done.
	UnknownDirection
)

var directionNames = [...]string{
	Gateway: "gateway", Restore: "restore", Recompute: "recompute", Collect: "collect", UnknownDirection: "unknown",
}

// String returns the name that streams send, such as "restore".
func (d Direction) String() string { return directionNames[d] }

// DirectionNames returns the names that streams may send.
func DirectionNames() []string { return slices.Clone(directionNames[:UnknownDirection]) }

// ParseDirection returns the direction of a name, or UnknownDirection.
func ParseDirection(name string) Direction {
	if i := slices.Index(directionNames[:UnknownDirection], name); i >= 0 {
		return Direction(i)
	}
	return UnknownDirection
}
