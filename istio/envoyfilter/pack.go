package envoyfilter

import (
	"fmt"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tagproc/tagproc/istio/manifest"
)

// HTTPFilter returns the HTTP filter of a name with its configuration, or an error if
// that is not valid by Envoy's own rules.
func HTTPFilter(name string, config proto.Message) (*manifest.Tree, error) {
	packed, err := Pack(config)
	if err != nil {
		return nil, err
	}
	return manifest.NewTree(&hcmv3.HttpFilter{
		Name:       name,
		ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed},
	}, true), nil
}

// Pack returns m as Envoy nests configurations, or an error if m is not valid by Envoy's
// own rules.
func Pack(m proto.Message) (*anypb.Any, error) {
	if err := Validate(m); err != nil {
		return nil, err
	}
	return PackPart(m)
}

// PackPart returns m as Pack does, valid or not: it is merged into another message, and
// need not be valid alone.
func PackPart(m proto.Message) (*anypb.Any, error) {
	a, err := anypb.New(m)
	if err != nil {
		return nil, fmt.Errorf("couldn't make %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return a, nil
}

// Validate returns an error if m breaks a rule that Envoy's API states for it.
func Validate(m proto.Message) error {
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			return fmt.Errorf("envoy would refuse the %s: %w", m.ProtoReflect().Descriptor().Name(), err)
		}
	}
	return nil
}
