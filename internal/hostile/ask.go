package hostile

import (
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"
)

// UserRequest is what Envoy sends for a request of user id.
func UserRequest(id string) *extproc.ProcessingRequest {
	return &extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestHeaders{
		RequestHeaders: &extproc.HttpHeaders{
			Headers: &core.HeaderMap{Headers: []*core.HeaderValue{{Key: "x-user-id", RawValue: []byte(id)}}},
		},
	}}
}

// jackAsks is the request of one user as a gRPC message.
var jackAsks = func() []byte {
	message, err := proto.Marshal(UserRequest("jack"))
	if err != nil {
		panic(err)
	}
	return Prefixed(len(message), message)
}()
