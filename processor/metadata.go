package processor

import (
	"encoding/binary"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// A metadata is the dynamic metadata of replies in encoded pieces: entries of
// google.protobuf.Struct.fields.
type metadata struct {
	digest   []byte // and the instant of the last step of the rules
	outcomes [outcomes][]byte
	// rules are, by index of Table.Rules, the entries of decisions. A bucket is in the
	// last bucketSize bytes of its entry.
	rules []perDecision[[]byte]
}

// bucketSize is the size of a bucket in bytes: a double.
const bucketSize = 8

func newMetadata(t *rules.Table) *metadata {
	m := &metadata{digest: digestEntries(t)}
	for o, name := range outcomeNames {
		m.outcomes[o] = structEntry("outcome", structpb.NewStringValue(name))
	}
	for _, r := range t.Rules() {
		m.rules = append(m.rules, newPerDecision(r, func(reason rules.Reason, tag, key string) []byte { return ruleEntry(r, reason, tag, key) }))
	}
	return m
}

// digestEntries returns the entries that say which rules decide and, for rules with
// ramps, since when.
func digestEntries(t *rules.Table) []byte {
	entries := structEntry("rulesDigest", structpb.NewStringValue(t.Digest()))
	if t.HasRamps() {
		since := ""
		if at := t.Since(); !at.IsZero() {
			since = at.UTC().Format(time.RFC3339Nano)
		}
		entries = append(entries, structEntry("rulesSince", structpb.NewStringValue(since))...)
	}
	return entries
}

// ruleEntry returns the entry of decisions of r for reason, with tag and, if the rule has
// several, the key.
func ruleEntry(r rules.Rule, reason rules.Reason, tag, key string) []byte {
	s := structEntry("reason", structpb.NewStringValue(reason.String()))
	if r.Mode == rules.ModeShadow {
		s = append(s, structEntry("mode", structpb.NewStringValue(r.Mode.String()))...)
	}
	if tag != "" {
		s = append(s, structEntry("tag", structpb.NewStringValue(tag))...)
	}
	if key != "" && len(r.Keys) > 1 {
		s = append(s, structEntry("key", structpb.NewStringValue(key))...)
	}
	if hasBucket(reason) {
		s = append(s, structEntry("bucket", structpb.NewNumberValue(0))...)
	}
	return append(appendStructHead(nil, r.Name, len(s)), s...)
}

// hasBucket reports whether decisions for reason have a bucket.
func hasBucket(reason rules.Reason) bool {
	return reason == rules.ReasonPolicy || reason == rules.ReasonNoPolicy
}

// append appends the field dynamic_metadata of a ProcessingResponse.
func (m *metadata) append(dst []byte, o outcome, decisions []rules.Decision) []byte {
	size := 0
	for i := range decisions {
		size += len(m.rules[i].at(&decisions[i]))
	}
	const ruleEntries = "rules"
	namespace := len(m.digest) + len(m.outcomes[o]) + structEntrySize(ruleEntries, size)
	dst = protowire.AppendVarint(append(dst, responseDynamicMetadata), uint64(structEntrySize(contract.MetadataNamespace, namespace)))
	dst = appendStructHead(dst, contract.MetadataNamespace, namespace)
	dst = append(dst, m.digest...)
	dst = append(dst, m.outcomes[o]...)
	dst = appendStructHead(dst, ruleEntries, size)
	for i := range decisions {
		d := &decisions[i]
		dst = append(dst, m.rules[i].at(d)...)
		if hasBucket(d.Reason) {
			binary.LittleEndian.PutUint64(dst[len(dst)-bucketSize:], math.Float64bits(float64(d.Bucket)))
		}
	}
	return dst
}

// structEntry returns the encoded entry of Struct.fields for name and v.
func structEntry(name string, v *structpb.Value) []byte {
	return encode(&structpb.Struct{Fields: map[string]*structpb.Value{name: v}})
}

// The tags of the fields that an entry is made of whose value is a Struct.
const (
	structFields     = 1<<3 | byte(protowire.BytesType) // Struct.fields
	entryKey         = 1<<3 | byte(protowire.BytesType)
	entryValue       = 2<<3 | byte(protowire.BytesType)
	valueStructValue = 5<<3 | byte(protowire.BytesType) // Value.struct_value
)

// appendStructHead appends the beginning of the entry of Struct.fields for name
// and a Struct, up to that Struct, which takes size bytes.
func appendStructHead(dst []byte, name string, size int) []byte {
	value := 1 + protowire.SizeBytes(size)
	dst = protowire.AppendVarint(append(dst, structFields), uint64(structContentSize(name, value)))
	dst = protowire.AppendString(append(dst, entryKey), name)
	dst = protowire.AppendVarint(append(dst, entryValue), uint64(value))
	return protowire.AppendVarint(append(dst, valueStructValue), uint64(size))
}

// structEntrySize returns the size of the entry of Struct.fields for name and a Struct of
// size bytes.
func structEntrySize(name string, size int) int {
	return 1 + protowire.SizeBytes(structContentSize(name, 1+protowire.SizeBytes(size)))
}

// structContentSize returns the size of an entry, its tag and length excluded,
// for name and a Value of size bytes.
func structContentSize(name string, size int) int {
	return 1 + protowire.SizeBytes(len(name)) + 1 + protowire.SizeBytes(size)
}
