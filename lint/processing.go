package lint

import (
	"fmt"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/source"
)

// requestHeaders finds a filter that does not send what tagproc decides by.
func requestHeaders(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		mode := f.GetProcessingMode()
		at := f.Config.Get("processing_mode")
		if mode.GetRequestHeaderMode() == extprocv3.ProcessingMode_SKIP {
			found(at.Get("request_header_mode"), "tagproc is not sent the request's headers, and tags nobody", "write SEND")
		}
		for _, b := range bodyModes(mode) {
			if b.mode == extprocv3.ProcessingMode_GRPC {
				found(at.Get(b.field), "tagproc does not serve the mode GRPC", "write NONE")
			}
		}
	}
}

// responseHeaders finds a filter that asks tagproc a second time.
func responseHeaders(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		if f.GetProcessingMode().GetResponseHeaderMode() != extprocv3.ProcessingMode_SKIP {
			found(f.Config.Get("processing_mode", "response_header_mode"), "Envoy asks tagproc about the response's headers too, which is the default: a needless second round trip for every request",
				"write response_header_mode: SKIP")
		}
	}
}

type bodyMode struct {
	field string
	mode  extprocv3.ProcessingMode_BodySendMode
}

func bodyModes(m *extprocv3.ProcessingMode) []bodyMode {
	return []bodyMode{{"request_body_mode", m.GetRequestBodyMode()}, {"response_body_mode", m.GetResponseBodyMode()}}
}

// bodies finds a filter that sends bodies or trailers.
func bodies(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		mode := f.GetProcessingMode()
		at := f.Config.Get("processing_mode")
		for _, b := range bodyModes(mode) {
			switch b.mode {
			case extprocv3.ProcessingMode_NONE, extprocv3.ProcessingMode_GRPC:
			case extprocv3.ProcessingMode_BUFFERED:
				found(at.Get(b.field), "Envoy holds the whole body and sends it to tagproc, which does not use it; a body above the buffer gets 413 or 500", "write NONE")
			default:
				found(at.Get(b.field), fmt.Sprintf("in the mode %s Envoy sends tagproc the body, which it does not use", b.mode), "write NONE")
			}
		}
		for _, t := range []struct {
			field string
			mode  extprocv3.ProcessingMode_HeaderSendMode
		}{{"request_trailer_mode", mode.GetRequestTrailerMode()}, {"response_trailer_mode", mode.GetResponseTrailerMode()}} {
			if t.mode == extprocv3.ProcessingMode_SEND {
				found(at.Get(t.field), "Envoy sends tagproc trailers, which it does not use", "write SKIP")
			}
		}
	}
}

// replyIgnored finds a filter that asks and does not act on the answer.
func replyIgnored(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		if f.GetObservabilityMode() {
			found(f.Config.Get("observability_mode"), "in this mode Envoy ignores what tagproc answers: nobody is tagged", "leave it out")
		}
		if f.GetDisableClearRouteCache() {
			found(f.Config.Get("disable_clear_route_cache"), "the route stays as it was chosen before there was a tag: the tags are written, and the gateway's routes never see them", "leave it out")
		}
		if f.GetRouteCacheAction() == extprocv3.ExternalProcessor_RETAIN {
			found(f.Config.Get("route_cache_action"), "the route stays as it was chosen before there was a tag: the tags are written, and the gateway's routes never see them", "leave it out")
		}
	}
}

// failClosed finds a filter that makes an error of a tagproc that does not answer.
func failClosed(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		if !f.GetFailureModeAllow() {
			found(f.Config.Get("failure_mode_allow"), "while tagproc does not answer, users get 500 or 504", "write failure_mode_allow: true, unless a wrong version is worse than an error")
		}
	}
}

// longestTimeout is more than tagproc ever needs, and less than a user notices.
const longestTimeout = time.Second

// messageTimeout finds a time that is not said, or that no user should wait.
func messageTimeout(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		at := f.Config.Get("message_timeout")
		t := f.GetMessageTimeout()
		switch d := t.AsDuration(); {
		case t == nil:
			found(at, "the filter has no message_timeout: Envoy's default of 200 ms applies", "add message_timeout: 0.2s")
		case d <= 0:
			found(at, "the timeout is over at once: every request goes on untagged", "write 0.2s")
		case d > longestTimeout:
			found(at, fmt.Sprintf("every request waits up to %v while tagproc hangs", d), "write 0.2s")
		}
	}
}

// headerLimits finds a gateway with Envoy's default limits: a tag that crosses them
// is a 500.
func headerLimits(_ *Model, s *Side, found found) {
	count, kb := s.Limits()
	if count.Value > contract.DefaultMaxHeaders && kb.Value > contract.DefaultMaxHeaderKB {
		return
	}
	over := fmt.Sprintf("%d headers or %d KiB", count.Value, kb.Value)
	switch {
	case kb.Value > contract.DefaultMaxHeaderKB:
		over = fmt.Sprintf("%d headers", count.Value)
	case count.Value > contract.DefaultMaxHeaders:
		over = fmt.Sprintf("%d KiB", kb.Value)
	}
	found(s.manager(), fmt.Sprintf("where a tag takes a request over %s, Envoy answers 500, despite failure_mode_allow", over),
		"merge common_http_protocol_options: {max_headers_count: 200} and max_request_headers_kb: 128 into the HTTP connection manager")
}

// manager returns the place of a part of the connection manager, or of the filter where
// nothing is said of it.
func (s *Side) manager(path ...any) source.Value {
	if len(s.Managers) > 0 {
		return s.Managers[0].Config.Get(path...)
	}
	return s.Filters[0].Config
}

// A Limit is one of the connection manager, and where it is said.
type Limit struct {
	At    source.Value
	Value int
}

// Limits returns how many headers the gateway takes, and how many KiB of them.
func (s *Side) Limits() (count, kb Limit) {
	count.Value, kb.Value = contract.DefaultMaxHeaders, contract.DefaultMaxHeaderKB
	if len(s.Filters) > 0 {
		count.At, kb.At = s.Filters[0].Config, s.Filters[0].Config
	}
	for _, h := range s.Managers {
		if n := h.GetCommonHttpProtocolOptions().GetMaxHeadersCount(); n != nil {
			count = Limit{h.Config.Get("common_http_protocol_options", "max_headers_count"), int(n.GetValue())}
		}
		if n := h.GetMaxRequestHeadersKb(); n != nil {
			kb = Limit{h.Config.Get("max_request_headers_kb"), int(n.GetValue())}
		}
	}
	return count, kb
}
