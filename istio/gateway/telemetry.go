package gateway

import (
	"errors"
	"fmt"
	"strings"

	telemetryv1 "istio.io/api/telemetry/v1alpha1"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// TelemetryOptions are the settings of an operator who traces a gateway, in the form of flags.
type TelemetryOptions struct {
	Name      string   // of the Telemetry
	Namespace string   // of the Telemetry and of the gateway's pods
	Gateway   []string // labels that the gateway's pods have, all of them; each KEY=VALUE
	Provider  string   // one of meshConfig.extensionProviders; "": those that are the default
}

// Check returns an error for each option that cannot be used, which begins with the
// option's name as a flag.
func (o *TelemetryOptions) Check() error {
	_, errs := envoyfilter.ParseLabels("--gateway", "the gateway's pods", o.Gateway)
	if len(o.Gateway) == 0 {
		errs = append(errs, errors.New("--gateway: expected a label; a Telemetry without one is for every workload of the namespace"))
	}
	return errors.Join(append(errs, envoyfilter.CheckName("--name", o.Name), envoyfilter.CheckNamespace("--namespace", o.Namespace))...)
}

// Telemetry returns the Telemetry that has the spans of a gateway say what tagproc decided. It
// depends on the names of the rules. The options have been checked. It is an error if Istio cannot
// ask for a name.
func Telemetry(t *rules.Table, o TelemetryOptions) (*manifest.Object, error) {
	selector, errs := envoyfilter.ParseLabels("--gateway", "the gateway's pods", o.Gateway)
	tracing := &telemetryv1.Tracing{CustomTags: map[string]*telemetryv1.Tracing_CustomTag{}}
	if o.Provider != "" {
		tracing.Providers = []*telemetryv1.ProviderRef{{Name: o.Provider}}
	}
	for _, r := range t.Rules() {
		if strings.ContainsAny(r.Name, ":)%") {
			errs = append(errs, fmt.Errorf("the name of rule %q has one of :)%%, by which Envoy divides what it is asked for: give the rule another name", r.Name))
		}
	}
	for _, tag := range spanTags(t) {
		path := contract.MetadataNamespace + ":" + strings.Join(tag.path, ":")
		tracing.CustomTags[tag.name] = &telemetryv1.Tracing_CustomTag{Type: &telemetryv1.Tracing_CustomTag_Formatter{
			Formatter: &telemetryv1.Tracing_Formatter{Value: "%DYNAMIC_METADATA(" + path + ")%"},
		}}
	}
	return &manifest.Object{
		APIVersion: "telemetry.istio.io/v1",
		Kind:       "Telemetry",
		Name:       o.Name,
		Namespace:  o.Namespace,
		Comment: "The spans of the gateway say what tagproc decided, and by which rules; no id of a user.\n" +
			"A tag is - where a rule does not decide.\n\n" +
			"It follows from the names of the rules: render it again when rules come, go or change\n" +
			"their names. It takes tagproc serve --metadata, and an Istio whose Telemetry knows\n" +
			"formatter, as 1.31 does.",
		Spec: manifest.NewTree(&telemetryv1.Telemetry{
			Selector: &typev1beta1.WorkloadSelector{MatchLabels: selector}, Tracing: []*telemetryv1.Tracing{tracing},
		}, false),
	}, errors.Join(errs...)
}
