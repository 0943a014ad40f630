package envoytest

import (
	"encoding/json"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
)

// Bootstrap reads the configuration of an Envoy by its own types and their bounds, or fails
// at what Envoy does not know.
func Bootstrap(t *testing.T, config string) *bootstrapv3.Bootstrap {
	t.Helper()
	var tree any
	if err := yaml.Load([]byte(config), &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	b := &bootstrapv3.Bootstrap{}
	if err := protojson.Unmarshal(text, b); err != nil {
		t.Fatalf("%v in\n%s", err, config)
	}
	if err := b.ValidateAll(); err != nil {
		t.Fatalf("%v in\n%s", err, config)
	}
	return b
}
