package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// unstickyKeys are headers that seem to hold a user's id and do not, by the reason.
// A name that ends in - is the beginning of names.
var unstickyKeys = []struct {
	why, instead string
	names        []string
}{
	{
		"it holds all cookies of a browser, and its owner becomes another user when any of them changes",
		"name the cookie that holds the user's id: keys: [{cookie: NAME}]",
		[]string{"cookie"},
	},
	{
		"it holds an address, which changes from network to network and which many users share",
		"name a header that holds the user's id",
		[]string{
			"cf-connecting-ip", "fastly-client-ip", "forwarded", "true-client-ip", "x-client-ip", "x-cluster-client-ip",
			"x-envoy-external-address", "x-forwarded-for", "x-original-forwarded-for", "x-real-ip",
		},
	},
	{
		"it describes a browser, which many users share and which each update changes",
		"name a header that holds the user's id",
		[]string{"accept", "accept-encoding", "accept-language", "sec-ch-", "user-agent"},
	},
	{
		"it holds a credential, and its owner becomes another user with each new one",
		"have the gateway copy a claim to a header (claim_to_headers in Envoy, outputClaimToHeaders in Istio), and name that header",
		[]string{"authorization", "proxy-authorization", "x-amzn-oidc-data", "x-api-key", "x-goog-iap-jwt-assertion"},
	},
	{
		"it differs from request to request, so the same user goes back and forth",
		"name a header that holds the user's id",
		[]string{
			"b3", "baggage", "date", "grpc-trace-bin", "request-id", "traceparent", "tracestate", "uber-trace-id", "x-amzn-trace-id", "x-b3-",
			"x-cloud-trace-context", "x-correlation-id", "x-datadog-", "x-ot-span-context", "x-request-id",
		},
	},
	{
		"it says where a request comes from or goes to, not whose it is",
		"name a header that holds the user's id",
		[]string{"origin", "referer", "via", "x-envoy-original-path", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"},
	},
}

// warnOfKey warns of a key that does not keep a user on one version.
func (c *compiler) warnOfKey(key source.Scalar[string]) {
	for _, u := range unstickyKeys {
		if slices.ContainsFunc(u.names, func(n string) bool { return n == key.V || strings.HasSuffix(n, "-") && strings.HasPrefix(key.V, n) }) {
			c.file.note(key.Place, source.Warning, KindUnstickyKey, fmt.Sprintf("the key %q keeps nobody on one version: %s; %s", key.V, u.why, u.instead))
		}
	}
}

// warnOfTagName warns of a tag header whose name others change on its way.
func (c *compiler) warnOfTagName(header source.Scalar[string]) {
	for _, r := range []string{"_", "."} {
		if strings.Contains(header.V, r) {
			c.file.note(header.Place, source.Warning, KindTagName, fmt.Sprintf(
				"the tag header %q has the character %q: nginx drops such a header unless it is configured to keep it, and many applications read %s and - as one character; use letters, digits and -",
				source.Shorten(header.V), r, r))
			return
		}
	}
}

// cohort is what decides which users are below a range.
type cohort struct {
	keys   string
	hash   Hash
	salt   string
	modulo uint32
}

// noteCohort notes a rule that takes the same users as an earlier one, for another tag
// header: the people of its 10 buckets are those of the other rule's 10 buckets. Some
// authors mean it.
func (c *compiler) noteCohort(n *ruleNode, r *Rule) {
	if r.Mode == ModeOff || len(r.Keys) == 0 || !n.tagHeader.OK() {
		return
	}
	id := cohort{keysText(r.Keys), r.Hash, r.Salt, r.Modulo}
	first, known := c.cohorts[id]
	if !known {
		c.cohorts[id] = cohortRule{r.Name, r.TagHeader, n.pos.Line()}
		return
	}
	if first.tagHeader == r.TagHeader || c.excludes(r.Name) {
		return
	}
	salt := fmt.Sprintf("\"salt: %s\"", r.Name)
	if r.Hash != XXH3 {
		salt = "\"hash: xxh3\" and " + salt
	}
	c.file.note(n.pos, source.Note, KindSameCohort, fmt.Sprintf(
		"this rule and rule %s in line %d have the same users in their first buckets, because key, hash, salt and modulo are equal; if that is not intended, add %s here, which moves users of this rule to other buckets",
		source.Shorten(first.name), first.line, salt))
}

// excludes reports whether a rule is one of those that the file says share no users:
// they have to take the same ones.
func (c *compiler) excludes(rule string) bool {
	return slices.ContainsFunc(c.exclusive.Elements, func(l exclusiveNode) bool {
		return slices.ContainsFunc(l.Elements, func(v source.Scalar[string]) bool { return strings.HasPrefix(v.V, rule+"/") })
	})
}

// A cohortRule is the first rule of a cohort.
type cohortRule struct {
	name, tagHeader string
	line            int
}
