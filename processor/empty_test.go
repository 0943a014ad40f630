package processor

import (
	"testing"

	"google.golang.org/protobuf/proto"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// TestAppendEmpty holds that each is of its kind and says nothing else.
func TestAppendEmpty(t *testing.T) {
	t.Parallel()
	wants := map[phase]*extprocv3.ProcessingResponse{
		requestHeaders: noChange, responseHeaders: noChangeInResponse,
		requestBody: noChangeInRequestBody, responseBody: noChangeInResponseBody,
		requestTrailers: noChangeInRequestTrailers, responseTrailers: noChangeInResponseTrailers,
	}
	for p, want := range wants {
		var got extprocv3.ProcessingResponse
		if err := proto.Unmarshal(appendEmpty(nil, p), &got); err != nil || !proto.Equal(&got, want) {
			t.Errorf("appendEmpty(nil, %d) = %v, %v, want %v", p, &got, err, want)
		}
	}
}
