// Package rules is the language in which tagproc is told who gets which tag.
//
// A rules file is parsed ([Parse]), compiled ([Compile]) into an immutable
// [Table], and asked about one request at a time ([Table.Match]). Compiling is
// validating: it returns either every problem of the file with its position, or
// a Table that cannot fail.
// [Changes] says what an edit changes.
//
// # The file
//
//	tagHeaders:                   # every tag header that may ever be written; default: those of the rules
//	  headers: [x-asm-prefer-tag]
//	  headerPrefixes: [appver]
//	propagation:                  # tag headers that travel as members of the W3C header baggage too; default: none
//	  headerPrefixes: [appver]    # or headers, or both; other names have no effect
//	trustClientTags: false        # true: tag headers sent by the client are left alone
//	rules:
//	- name: checkout              # unique; default: the tagHeader
//	  header: x-user-id           # the key: the request header that holds the user's id
//	  modulo: 100                 # number of buckets, 1 to 1,000,000; default 100
//	  tagHeader: x-asm-prefer-tag # the header to write
//	  hash: fnv1a32               # or xxh3; default fnv1a32
//	  salt: spring-launch         # xxh3 only; rules with different salts have independent cohorts
//	  mode: enforce               # or shadow (decide and count, write nothing) or off; default enforce
//	  overrides:                  # named users, decided before the hash
//	  - values: [jason]
//	    tagValue: s2              # or none: true, which keeps these users untagged
//	  policies:                   # at least one; the first match in order decides
//	  - range: 20                 # buckets 0 to 19; range 0 matches nobody
//	    tagValue: s2
//	  - range: 100
//	    tagValue: s1
//
// Beside these a file may have "forwarded" and "exclusive", and a rule "keys" instead
// of header (headers, cookies, parameters of the query, ids given to visitors),
// "match", "partitions" instead of policies, "from" beside range, and "ramp" instead
// of range. docs/rules.md is the reference.
//
// The WasmPlugin manifest of a "Hash tagging plug-in" is accepted as it is: its
// spec.pluginConfig is the file. So are a TrafficExtension, an ASMHashTagging, a
// ConfigMap with the file as text, and a List with one of them. An ASMHeaderPropagation
// may follow as a second YAML document: its spec is the propagation.
//
// # Meaning
//
// bucket = hash(key) mod modulo, unsigned. The hash fnv1a32 is 32-bit FNV-1a of
// the key's bytes; xxh3 is XXH3-64 of the key with seed 0, or, with a salt, with
// the XXH3-64 of the salt as seed. A policy matches when from <= bucket < range. Where
// a range has a ramp, it depends on the instant, and [Table.At] has the table of one.
//
// Within a rule the order is: mode, match, key, overrides, bucket, policies. The first
// key that is there and not empty is taken. A match that is not met, and keys that are
// all absent or empty, mean that the rule does not apply. For each tag header the
// first enforced rule that applies owns the outcome, "no tag" included: a
// fall-through to the next rule would be a second lottery. A shadow rule is
// evaluated as if it were alone and never wins.
//
// # What this package never knows
//
// Files, networks, Envoy, gRPC, and what becomes of a decision.
package rules
