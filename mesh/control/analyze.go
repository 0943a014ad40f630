package control

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/local"
)

// injection is where Istio injects its proxy, as its chart has it.
//
//go:embed injection.yaml
var injection string

// Analyze runs the analyzers of istioctl over streams of manifests together, which need
// pods too; where Istio injects its proxy is added. The warning that every EnvoyFilter gets is left out.
func Analyze(streams []string) (_ diag.Messages, err error) {
	defer guard(&err)
	analyzer := local.NewSourceAnalyzer(analyzers.AllCombined(), "", SystemNamespace, nil)
	sources := make([]local.ReaderSource, 0, len(streams)+1)
	for i, s := range slices.Concat(streams, []string{injection}) {
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
