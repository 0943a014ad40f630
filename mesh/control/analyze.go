package control

import (
	"fmt"
	"slices"
	"strings"

	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/local"
)

// Analyze runs the analyzers of istioctl over streams of manifests together, which need
// pods too. The warning that every EnvoyFilter gets is left out.
func Analyze(streams []string) (diag.Messages, error) {
	analyzer := local.NewSourceAnalyzer(analyzers.AllCombined(), "", SystemNamespace, nil)
	sources := make([]local.ReaderSource, 0, len(streams))
	for i, s := range streams {
		sources = append(sources, local.ReaderSource{Name: fmt.Sprintf("manifests-%d.yaml", i+1), Reader: strings.NewReader(s)})
	}
	if err := analyzer.AddTestReaderKubeSource(sources); err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := analyzer.Analyze(stop)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(result.Messages, func(m diag.Message) bool {
		return strings.Contains(m.String(), EveryEnvoyFilter)
	}), nil
}
