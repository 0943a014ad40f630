package main

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// forwarded is what Envoy sends for a user where forward_rules lets the key
// through and nothing else.
func forwarded(id string) *extprocv3.ProcessingRequest {
	return requestOf(id, 1)
}

// requestOf is a request of n headers. The user's id is the last one, so that all
// of them are read.
func requestOf(id string, n int) *extprocv3.ProcessingRequest {
	headers := &corev3.HeaderMap{}
	set := func(name, value string) {
		headers.Headers = append(headers.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
	}
	for i := range n - 1 {
		switch i {
		case 0:
			set(":method", "GET")
		case 1:
			set(":path", "/products/4711?ref=start")
		case 2:
			set(":authority", "shop.example.com")
		case 3:
			set("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36")
		default:
			set(fmt.Sprintf("x-header-%02d", i), "a value of some 32 bytes, as usual")
		}
	}
	set("x-user-id", id)
	return &extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_RequestHeaders{
			RequestHeaders: &extprocv3.HttpHeaders{Headers: headers, EndOfStream: true},
		},
		ProtocolConfig: &extprocv3.ProtocolConfiguration{},
	}
}
