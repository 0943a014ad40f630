package rules

import (
	"fmt"
	"strconv"

	"github.com/tagproc/tagproc/source"
)

// config reads the rules, which are called what in messages.
func (d *decoder) config(v source.Value, what string) {
	f := d.file
	rulesSeen := false
	fields := []field{
		{Name: "tagHeaders", Read: d.tagHeaders},
		{Name: "propagation", Read: func(v source.Value) { d.propagation(v.KeyPlace(), v, "propagation") }},
		{Name: "forwarded", Read: d.forwarded},
		{Name: "exclusive", Read: func(v source.Value) {
			f.exclusive = source.ListOf(&d.Reader, v, "lists of RULE/TAG", func(v source.Value) (exclusiveNode, bool) {
				l := d.Strings(v, "RULE/TAG")
				l.Place = v.Place()
				return l, true
			})
		}},
		{Name: "trustClientTags", Read: d.asBool(&f.trustClientTags)},
		{Name: "rules", Read: func(v source.Value) {
			rulesSeen = true
			if !v.Exists() {
				d.Add(v.KeyPlace().Problem(source.Error, source.KindMissing, `"rules" has no value; was the file cut off? A file that tags nobody says "rules: []"`))
				return
			}
			d.List(v, "rules", d.rule)
		}},
	}
	fields = append(fields, d.ignored("debug", "the log of tagproc has what the plug-in's debug log has"))
	if d.foreign {
		fields = append(fields, d.ignored("workloadSelector", "tagproc answers every Envoy that asks it"))
	}
	d.Mapping(v, what, fields...)
	if v.IsMapping() && !rulesSeen && d.foreign {
		d.Add(v.Problem(source.Error, source.KindMissing, fmt.Sprintf("this %s has no \"rules\": it is cut off, or it is not of a hash tagging plug-in", what)))
	} else if v.IsMapping() && !rulesSeen {
		d.Add(v.Problem(source.Error, source.KindMissing, `the file has no "rules"; was it cut off? A file that tags nobody says "rules: []"`))
	}
}

func (d *decoder) tagHeaders(v source.Value) {
	t := &tagHeadersNode{}
	d.file.tagHeaders = t
	t.bad = !d.Mapping(v, "tagHeaders",
		field{Name: "headers", Read: func(v source.Value) { t.headers = d.Strings(v, "header names") }},
		field{Name: "headerPrefixes", Read: func(v source.Value) { t.prefixes = d.Strings(v, "beginnings of header names") }},
	)
}

func (d *decoder) forwarded(v source.Value) {
	f := &forwardedNode{pos: v.KeyPlace()}
	d.file.forwarded = f
	f.bad = !d.Mapping(v, strconv.Quote(v.Key()),
		field{Name: "headers", Read: func(v source.Value) { f.headers = d.Strings(v, "header names") }},
	)
}

// propagation reads v, which is called what in messages and may have other fields.
func (d *decoder) propagation(at pos, v source.Value, what string, others ...field) {
	if d.file.propagation != nil {
		d.Add(at.Problem(source.Error, KindPropagation, "propagation is already declared in the rules; declare it in one place"))
		return
	}
	p := &propagationNode{pos: at}
	d.file.propagation = p
	p.bad = !d.Mapping(v, what, append([]field{
		{Name: "headers", Read: func(v source.Value) { p.headers = d.Strings(v, "header names") }},
		{Name: "headerPrefixes", Read: func(v source.Value) { p.addPrefixes(d.Strings(v, "beginnings of header names")) }},
		{Name: "headerPrefix", Hidden: true, Read: func(v source.Value) { p.addPrefixes(d.oneOrMore(v, "beginnings of header names")) }}, // as the field reference of ASMHeaderPropagation has it
	}, others...)...)
}

func (d *decoder) rule(v source.Value) {
	r := ruleNode{pos: v.Place()}
	fields := []field{
		{Name: "name", Read: d.asText(&r.name)},
		{Name: "description", Read: d.asText(&r.description)},
		{Name: "match", Read: func(v source.Value) { r.match = d.match(v) }},
		{Name: "header", Read: d.asText(&r.header)},
		{Name: "keys", Read: listField(d, &r.keys, "keys, each a header, cookie, query or visitor", d.key)},
		{Name: "modulo", Read: d.asInt(&r.modulo)},
		{Name: "tagHeader", Read: d.asText(&r.tagHeader)},
		{Name: "hash", Read: d.asWord(&r.hash, hashNames)},
		{Name: "salt", Read: d.asText(&r.salt)},
		{Name: "mode", Read: d.asWord(&r.mode, modeNames)},
		{Name: "overrides", Read: listField(d, &r.overrides, "overrides, each with values and tagValue", d.override)},
		{Name: "policies", Read: listField(d, &r.policies, "policies, each with range and tagValue", d.policy)},
		{Name: "partitions", Read: listField(d, &r.partitions, "partitions, each with partitionSize and tagValue", d.partition)},
		d.refused("cookie", `it is one of a rule's keys: write "keys: [{cookie: NAME}]"`, &r.otherKey),
		d.refused("query", `it is one of a rule's keys: write "keys: [{query: NAME}]"`, &r.otherKey),
		d.refused("visitor", `it is one of a rule's keys, the last: write "keys: [{visitor: {cookie: tagproc-visitor}}]"`, &r.otherKey),
		d.refused("claim", claimRecipe, &r.otherKey),
	}
	if d.foreign {
		fields = append(fields, field{Name: "partitionedPolicies", Hidden: true, Read: listField(d, &r.partitions, "partitions, each with partitionSize and tagValue", d.partition)})
	}
	if d.Mapping(v, "a rule", fields...) {
		d.file.rules = append(d.file.rules, r)
	}
}

// tagValueWords are words for a tagValue.
var tagValueWords = []string{"value", "tag", "version"}

func (d *decoder) override(v source.Value) (o overrideNode, ok bool) {
	o.pos = v.Place()
	ok = d.Mapping(v, "an override",
		field{Name: "key", Read: func(v source.Value) {
			k, ok := d.key(v)
			k.other = k.other || !ok
			o.key = &k
		}},
		field{Name: "values", Read: func(v source.Value) { o.values = d.Strings(v, "values of the key") }},
		field{Name: "tagValue", Read: d.asText(&o.tagValue), Also: tagValueWords},
		field{Name: "none", Read: d.asBool(&o.none)},
	)
	return o, ok
}

func (d *decoder) policy(v source.Value) (p policyNode, ok bool) {
	p.pos = v.Place()
	ok = d.Mapping(v, "a policy",
		field{Name: "from", Read: d.asInt(&p.from)},
		field{Name: "range", Read: d.asInt(&p.rng), Also: []string{"percent", "percentage", "weight", "ratio", "share"}},
		field{Name: "ramp", Read: listField(d, &p.ramp, "steps, each with at and range", d.rampStep)},
		field{Name: "allowDecrease", Read: d.asBool(&p.allowDecrease)},
		field{Name: "tagValue", Read: d.asText(&p.tagValue), Also: tagValueWords},
		d.refused("partitionSize", `partitions have it: write "partitions" instead of "policies", or "range" here`, new(bool)),
	)
	return p, ok
}

func (d *decoder) partition(v source.Value) (p partitionNode, ok bool) {
	p.pos = v.Place()
	ok = d.Mapping(v, "a partition",
		field{Name: "partitionSize", Read: d.asInt(&p.size), Also: []string{"size", "weight", "percent"}},
		field{Name: "tagValue", Read: d.asText(&p.tagValue), Also: tagValueWords},
		d.refused("range", `a partition has "partitionSize", the number of its buckets; policies have "range"`, new(bool)),
	)
	return p, ok
}
