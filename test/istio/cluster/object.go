package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/mesh/control"
)

// decode decodes a stream of manifests, each in its own namespace or else in the one
// given, and returns every problem.
func decode(stream, namespace string) ([]control.Object, error) {
	var objects []control.Object
	var errs []error
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(stream)))
	for i := 1; ; i++ {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(errs...)
		}
		if err != nil {
			return objects, errors.Join(append(errs, fmt.Errorf("document %d: %w", i, err))...)
		}
		var empty any
		if yaml.Unmarshal(doc, &empty) == nil && empty == nil {
			continue
		}
		o, err := decodeOne(doc, namespace)
		if err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", i, err))
			continue
		}
		objects = append(objects, o)
	}
}

// decodeOne decodes a manifest. Warnings are errors: a misspelt field of an Envoy filter
// is a warning of Istio.
func decodeOne(doc []byte, namespace string) (control.Object, error) {
	o, err := control.Decode(doc, namespace)
	if err == nil && len(o.Warnings) > 0 {
		err = fmt.Errorf("%s in %q: a warning of Istio: %w", o, o.Namespace, o.Warnings[0])
	}
	return o, err
}
