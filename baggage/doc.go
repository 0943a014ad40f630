// Package baggage moves tags into the header baggage of requests, as the W3C
// specifies it (https://www.w3.org/TR/baggage/), and out of it again.
//
//   - At the gateway a [Rewriter] writes it: members that carry tags come first,
//     members that a client forged go, and all others stay as they are, byte for
//     byte and in their order.
//   - At a hop behind it a [Restorer] reads the tags for headers of the request, and
//     a [Collector] writes those that are headers already. What they make of odd
//     baggage, word for word, is in the documentation of istio/propagation.
//
// # What a forged member is
//
// A hop behind the gateway makes a header of a member, and the names of headers
// have no case. Before it does, applications pass the member on, through libraries
// that disagree on where a name begins and ends. Some decode percent signs, once at
// each hop; some take a plus sign for a space, some drop spaces. Some split at every
// equals sign, so that a=1=name=value is two members; some decode a value and write
// it as it then is, with commas and equals signs in it. So a member counts as one of
// a name if any of them might come to see it so, see [Rewriter.Read]. A malformed
// member stays as well, unless it might be seen so.
//
// # What this package never knows
//
// Which tags a request gets, what becomes of headers other than this one, Envoy
// and gRPC.
package baggage
