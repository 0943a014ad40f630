package lint

import (
	"fmt"
	"slices"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

// requestHeaders finds a filter that does not send what tagproc decides by.
func requestHeaders(m *model, found found) {
	for _, f := range m.filters {
		mode := f.config.GetProcessingMode()
		at := f.part("processing_mode")
		if mode.GetRequestHeaderMode() == extprocv3.ProcessingMode_SKIP {
			found(at.in("request_header_mode"), "tagproc is not sent the request's headers, and tags nobody", "write SEND")
		}
		for _, b := range bodyModes(mode) {
			if b.mode == extprocv3.ProcessingMode_GRPC {
				found(at.in(b.field), "tagproc does not serve the mode GRPC", "write NONE")
			}
		}
	}
}

// responseHeaders finds a filter that asks tagproc a second time.
func responseHeaders(m *model, found found) {
	for _, f := range m.filters {
		if f.config.GetProcessingMode().GetResponseHeaderMode() != extprocv3.ProcessingMode_SKIP {
			found(f.part("processing_mode", "response_header_mode"), "Envoy asks tagproc about the response's headers too, which is the default: a needless second round trip for every request",
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
func bodies(m *model, found found) {
	for _, f := range m.filters {
		mode := f.config.GetProcessingMode()
		at := f.part("processing_mode")
		for _, b := range bodyModes(mode) {
			switch b.mode {
			case extprocv3.ProcessingMode_NONE, extprocv3.ProcessingMode_GRPC:
			case extprocv3.ProcessingMode_BUFFERED:
				found(at.in(b.field), "Envoy holds the whole body and sends it to tagproc, which does not use it; a body above the buffer gets 413 or 500", "write NONE")
			default:
				found(at.in(b.field), fmt.Sprintf("in the mode %s Envoy sends tagproc the body, which it does not use", b.mode), "write NONE")
			}
		}
		for _, t := range []struct {
			field string
			mode  extprocv3.ProcessingMode_HeaderSendMode
		}{{"request_trailer_mode", mode.GetRequestTrailerMode()}, {"response_trailer_mode", mode.GetResponseTrailerMode()}} {
			if t.mode == extprocv3.ProcessingMode_SEND {
				found(at.in(t.field), "Envoy sends tagproc trailers, which it does not use", "write SKIP")
			}
		}
	}
}

// replyIgnored finds a filter that asks and does not act on the answer.
func replyIgnored(m *model, found found) {
	for _, f := range m.filters {
		if f.config.GetObservabilityMode() {
			found(f.part("observability_mode"), "in this mode Envoy ignores what tagproc answers: nobody is tagged", "leave it out")
		}
		if f.config.GetDisableClearRouteCache() {
			found(f.part("disable_clear_route_cache"), "the route stays as it was chosen before there was a tag: the tags are written, and the gateway's routes never see them", "leave it out")
		}
		if f.config.GetRouteCacheAction() == extprocv3.ExternalProcessor_RETAIN {
			found(f.part("route_cache_action"), "the route stays as it was chosen before there was a tag: the tags are written, and the gateway's routes never see them", "leave it out")
		}
	}
}

// failClosed finds a filter that makes an error of a tagproc that does not answer.
func failClosed(m *model, found found) {
	for _, f := range m.filters {
		if !f.config.GetFailureModeAllow() {
			found(f.part("failure_mode_allow"), "while tagproc does not answer, users get 500 or 504", "write failure_mode_allow: true, unless a wrong version is worse than an error")
		}
	}
}

// longestTimeout is more than tagproc ever needs, and less than a user notices.
const longestTimeout = time.Second

// messageTimeout finds a time that is not said, or that no user should wait.
func messageTimeout(m *model, found found) {
	for _, f := range m.filters {
		at := f.part("message_timeout")
		t := f.config.GetMessageTimeout()
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
func headerLimits(m *model, found found) {
	count, kb := m.limits()
	if count.value > contract.DefaultMaxHeaders && kb.value > contract.DefaultMaxHeaderKB {
		return
	}
	at := m.filters[0].part()
	if len(m.managers) > 0 {
		at = m.managers[0].typed()
	}
	over := fmt.Sprintf("%d headers or %d KiB", count.value, kb.value)
	switch {
	case kb.value > contract.DefaultMaxHeaderKB:
		over = fmt.Sprintf("%d headers", count.value)
	case count.value > contract.DefaultMaxHeaders:
		over = fmt.Sprintf("%d KiB", kb.value)
	}
	found(at, fmt.Sprintf("where a tag takes a request over %s, Envoy answers 500, despite failure_mode_allow", over),
		"merge common_http_protocol_options: {max_headers_count: 200} and max_request_headers_kb: 128 into the HTTP connection manager")
}

// A limit is one of the connection manager, and where it is said.
type limit struct {
	at    place
	value int
}

// limits returns how many headers the gateway takes, and how many KiB of them.
func (m *model) limits() (count, kb limit) {
	count.value, kb.value = contract.DefaultMaxHeaders, contract.DefaultMaxHeaderKB
	if len(m.filters) > 0 {
		count.at, kb.at = m.filters[0].part(), m.filters[0].part()
	}
	for _, h := range m.managers {
		if n := h.config.GetCommonHttpProtocolOptions().GetMaxHeadersCount(); n != nil {
			count = limit{h.typed("common_http_protocol_options", "max_headers_count"), int(n.GetValue())}
		}
		if n := h.config.GetMaxRequestHeadersKb(); n != nil {
			kb = limit{h.typed("max_request_headers_kb"), int(n.GetValue())}
		}
	}
	return count, kb
}

// metadata finds a filter that drops what serve --metadata says.
func metadata(m *model, found found) {
	for _, s := range m.servers() {
		for _, f := range m.filters {
			if s.set("metadata") && !slices.Contains(f.config.GetMetadataOptions().GetReceivingNamespaces().GetUntyped(), contract.MetadataNamespace) {
				found(f.part("metadata_options"), fmt.Sprintf("tagproc sends metadata (--metadata at %s), and Envoy drops it", s.argument("metadata")),
					"add metadata_options: {receiving_namespaces: {untyped: [tagproc]}}")
			}
		}
	}
}
