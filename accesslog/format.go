package accesslog

import "strings"

// The fields of a line that are read. Others may stand beside them.
const (
	Time    = "time"
	Tags    = "tags"    // by tag header, in lower case; null: the request has none
	Request = "request" // by header that rules look at, in lower case: optional, since it has ids of users
	Call    = "tagproc" // the gRPC status of the call: 0 is an answer
	Why     = "why"     // what tagproc says of its decisions
)

// Format returns the format of a line, for json_format of Envoy and accessLogFormat of
// Istio, with the values of some tag headers. Where the rules are a program in Envoy there
// is no call.
func Format(tags []string, calls bool) map[string]any {
	of := map[string]any{}
	for _, name := range tags {
		of[name] = "%REQ(" + strings.ToUpper(name) + ")%"
	}
	format := map[string]any{
		Time: "%START_TIME%", "host": "%REQ(:AUTHORITY)%", Tags: of, "route": "%ROUTE_NAME%",
		"status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", Why: "%DYNAMIC_METADATA(tagproc)%",
	}
	if calls {
		format[Call] = "%FILTER_STATE(tagproc:FIELD:request_header_call_status)%"
	}
	return format
}
