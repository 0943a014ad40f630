package processor

import extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

// emptyReplies are the replies that change nothing, by phase.
var emptyReplies = [...][]byte{
	requestHeaders:   encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}}}),
	responseHeaders:  encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{}}}),
	requestBody:      encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{}}}),
	responseBody:     encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{}}}),
	requestTrailers:  encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestTrailers{RequestTrailers: &extprocv3.TrailersResponse{}}}),
	responseTrailers: encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseTrailers{ResponseTrailers: &extprocv3.TrailersResponse{}}}),
}

// appendEmpty appends the reply that changes nothing in phase p.
func appendEmpty(dst []byte, p phase) []byte { return append(dst, emptyReplies[p]...) }
