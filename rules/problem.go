package rules

import "github.com/tagproc/tagproc/source"

// The kinds of problems that rules have, beside those of any text.
const (
	KindSeveralDocuments  source.Kind = "several-documents"    // more than one YAML document
	KindEnvelope          source.Kind = "envelope"             // a manifest that is not a hash tagging WasmPlugin
	KindIgnored           source.Kind = "ignored"              // note: a key of a manifest that changes nothing here
	KindName              source.Kind = "name"                 // a rule name that is malformed or taken
	KindHeader            source.Kind = "header"               // a header name that is malformed
	KindForbiddenHeader   source.Kind = "forbidden-header"     // a header that must not be written or read as a key
	KindKeyIsTag          source.Kind = "key-is-tag"           // a key that is also an owned tag header
	KindUndeclaredTag     source.Kind = "undeclared-tag"       // a tagHeader outside tagHeaders
	KindTooManyTagHeaders source.Kind = "too-many-tag-headers" // more than MaxTagHeaders
	KindTagValue          source.Kind = "tag-value"            // a tag value that is not visible ASCII
	KindModulo            source.Kind = "modulo"               // a modulo outside [1, MaxModulo]
	KindRange             source.Kind = "range"                // a range outside [0, modulo]
	KindHash              source.Kind = "hash"                 // an unknown hash
	KindSalt              source.Kind = "salt"                 // a salt that has no effect
	KindMode              source.Kind = "mode"                 // an unknown mode
	KindNoPolicies        source.Kind = "no-policies"          // a rule without policies
	KindOverride          source.Kind = "override"             // an override that cannot match or contradicts another
	KindPropagation       source.Kind = "propagation"          // propagation of what cannot travel; warning: of what is no tag header
	KindKey               source.Kind = "key"                  // a key that is malformed, repeated or in a wrong place
	KindVisitor           source.Kind = "visitor"              // a visitor's cookie that browsers would refuse, or that is described twice
	KindMatch             source.Kind = "match"                // a condition of a match that is malformed
	KindRamp              source.Kind = "ramp"                 // steps that do not ascend, or too many of them
	KindExclusive         source.Kind = "exclusive"            // users who may have two tags that exclude each other
	KindNotForwarded      source.Kind = "not-forwarded"        // a rule that needs a header outside forwarded
	KindUnreachable       source.Kind = "unreachable"          // warning: a policy or a rule that can never decide
	KindScale             source.Kind = "scale"                // warning: ranges of several policies that end at a tenth of the modulo
	KindUnstickyKey       source.Kind = "unsticky-key"         // warning: a key that is no user's id
	KindTagName           source.Kind = "tag-name"             // warning: a tag header whose name does not survive everywhere
	KindSameCohort        source.Kind = "same-cohort"          // note: a rule that takes the same users as another one
)
