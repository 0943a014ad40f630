package lanes

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// A draft is a group as it is written, in either form: each part with its source.Value,
// nothing checked against the rest.
type draft struct {
	doc         *source.Document
	at          source.Value
	whole       bool // nothing was wrong in it: what is not here is not written
	name        text
	strict      bool
	routeHeader text
	traceHeader text
	gateway     Gateway
	gatewayAt   source.Value
	services    []serviceText
	lanes       []laneDraft
	baseline    text
	fallback    []fallbackDraft
	rules       []ruleDraft
	weighted    *weightedDraft // shares come from the lanes
}

// text is a string and where it stands.
type text struct {
	v   string
	at  source.Value
	set bool
}

// serviceText is a service and where it is named.
type serviceText struct {
	Service

	at source.Value
}

type laneDraft struct {
	doc           *source.Document // nil: a lane of a lanes file
	at            source.Value
	whole         bool // nothing was wrong in it
	name          text
	labels        map[string]string // nil: there are some that cannot be read
	labelsAt      source.Value
	services      []serviceText
	all           bool // services are not said: all of the group
	serviceLabels []serviceLabels
	share         *shareDraft
	created       string // metadata.creationTimestamp
}

type serviceLabels struct {
	service serviceText
	labels  map[string]string
}

type fallbackDraft struct {
	service serviceText
	lane    text
}

type ruleDraft struct {
	at      source.Value
	name    string
	lane    text
	hosts   []text
	matches []*networking.HTTPMatchRequest
	target  target
	offline bool
}

// target is a service that requests enter by, and its port.
type target struct {
	service serviceText
	port    uint32
	portAt  source.Value
}

type weightedDraft struct {
	at      source.Value
	hosts   []text
	matches []*networking.HTTPMatchRequest
}

type shareDraft struct {
	at     source.Value
	target target
	weight int
}
