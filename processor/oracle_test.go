package processor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

// applied is what Envoy makes of a reply to request headers.
type applied struct {
	headers       [][2]string // of the request, afterwards
	sets, removes int
	metadata      map[string]any // of the namespace tagproc; nil: none came
}

// envoyApply does to headers what Envoy would do on reply. It fails where Envoy
// answers 500, does something else than was meant, or is made to do work for
// nothing. plain says that the request used the field value, limits are those
// of its connection manager.
func envoyApply(headers [][2]string, plain bool, limits Limits, reply []byte) (applied, error) {
	var m extprocv3.ProcessingResponse
	if err := proto.Unmarshal(reply, &m); err != nil {
		return applied{}, err
	}
	if n := unknownBytes(m.ProtoReflect()); n > 0 {
		return applied{}, fmt.Errorf("the reply has %d bytes of unknown fields", n)
	}
	response, ok := m.GetResponse().(*extprocv3.ProcessingResponse_RequestHeaders)
	if !ok {
		return applied{}, fmt.Errorf("the reply is a %T", m.GetResponse())
	}
	common := response.RequestHeaders.GetResponse()
	mutation := common.GetHeaderMutation()
	rest := proto.CloneOf(&m)
	if c := rest.GetRequestHeaders().GetResponse(); c != nil {
		c.HeaderMutation, c.ClearRouteCache = nil, false
		if !proto.Equal(c, &extprocv3.CommonResponse{}) {
			return applied{}, fmt.Errorf("the reply says more than a mutation: %v", c)
		}
	}
	rest.Response, rest.DynamicMetadata = nil, nil
	if !proto.Equal(rest, &extprocv3.ProcessingResponse{}) {
		return applied{}, fmt.Errorf("the reply says more than its response: %v", rest)
	}

	a := applied{headers: slices.Clone(headers), sets: len(mutation.GetSetHeaders()), removes: len(mutation.GetRemoveHeaders())}
	for namespace, value := range m.GetDynamicMetadata().GetFields() {
		if namespace != contract.MetadataNamespace || value.GetStructValue() == nil {
			return applied{}, fmt.Errorf("the metadata %v would be dropped", m.GetDynamicMetadata())
		}
		a.metadata = value.GetStructValue().AsMap()
	}
	if m.DynamicMetadata != nil && a.metadata == nil {
		return applied{}, errors.New("the metadata is empty")
	}
	changes := a.sets + a.removes
	switch {
	case (mutation != nil) != (changes > 0):
		return applied{}, errors.New("the mutation is empty")
	case common.GetClearRouteCache() != (changes > 0):
		return applied{}, fmt.Errorf("clear_route_cache is %v with %d changes", common.GetClearRouteCache(), changes)
	case changes == 0:
		return a, nil
	case changes > limits.MaxHeaders:
		return applied{}, fmt.Errorf("%d changes, more than %d", changes, limits.MaxHeaders)
	}
	named := map[string]bool{}
	once := func(name string) error {
		switch {
		case named[name]:
			return fmt.Errorf("%q is set or removed twice", name)
		case !envoyAccepts(name):
			return fmt.Errorf("%q is no valid header name", name)
		}
		named[name] = true
		return nil
	}
	for _, name := range mutation.RemoveHeaders {
		if err := once(name); err != nil {
			return applied{}, err
		}
		if !slices.ContainsFunc(headers, func(h [2]string) bool { return h[0] == name }) {
			return applied{}, fmt.Errorf("%q is removed but did not come in", name)
		}
		a.remove(name)
	}
	for _, o := range mutation.SetHeaders {
		if err := once(o.GetHeader().GetKey()); err != nil {
			return applied{}, err
		}
		value, err := optionValue(o, plain)
		if err != nil {
			return applied{}, err
		}
		a.remove(o.Header.Key)
		a.headers = append(a.headers, [2]string{o.Header.Key, value})
	}
	size := 0
	for _, h := range a.headers {
		size += len(h[0]) + len(h[1])
	}
	if len(a.headers) > limits.MaxHeaders || size > limits.MaxHeaderBytes {
		return applied{}, fmt.Errorf("the result has %d headers of %d bytes, the limits are %+v", len(a.headers), size, limits)
	}
	return a, nil
}

func (a *applied) remove(name string) {
	a.headers = slices.DeleteFunc(a.headers, func(h [2]string) bool { return h[0] == name })
}

// optionValue returns the value that a current Envoy, or one up to 1.26 if
// plain, sets for o.
func optionValue(o *corev3.HeaderValueOption, plain bool) (string, error) {
	h := o.Header
	value, other := string(h.RawValue), h.Value
	if plain {
		value, other = other, value
	}
	switch {
	case other != "":
		return "", fmt.Errorf("%q is in a field that the request does not use (plain: %v)", h.Key, plain)
	case value == "":
		return "", fmt.Errorf("%q is set to nothing", h.Key)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }), strings.Trim(value, " \t") != value:
		return "", fmt.Errorf("%q is set to %q", h.Key, value)
	case o.Append != nil: //nolint:staticcheck // that nobody sets the deprecated field is what is checked
		return "", fmt.Errorf("%q has append", h.Key)
	case o.AppendAction != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
		return "", fmt.Errorf("%q has append_action %v", h.Key, o.AppendAction)
	}
	return value, nil
}

// envoyAccepts reports whether Envoy accepts name as that of a header.
func envoyAccepts(name string) bool {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
	return name != "" && strings.Trim(name, token) == ""
}

// unknownBytes returns how much of m and the messages in it is unknown fields.
func unknownBytes(m protoreflect.Message) int {
	n := len(m.GetUnknown())
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsMap():
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				if m, ok := v.Interface().(protoreflect.Message); ok {
					n += unknownBytes(m)
				}
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				n += unknownBytes(v.List().Get(i).Message())
			}
		default:
			n += unknownBytes(v.Message())
		}
		return true
	})
	return n
}
