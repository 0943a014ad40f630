// Package propagation is what sidecars do so that tags travel a call chain whose
// applications forward no tag headers: EnvoyFilters that make headers of baggage
// members and members of headers, and that derive tags again from the user's id.
//
// It knows the headers that travel, and Envoy's side of moving them: a Lua filter,
// whose source it writes, or an ext_proc filter that asks tagproc. It never knows
// who set a tag, which routes match on it, or what a cluster has. What gateways do
// with baggage is in the packages baggage and processor.
//
// # Restore: members become headers
//
// Outbound, before a route is chosen:
//
//   - The headers baggage are read as one, joined by commas, and split at commas. The
//     first 64 parts that are not empty are read, which is as many as the
//     specification has every platform pass on.
//   - A part is a member if it is NAME=VALUE, perhaps with ";" and properties behind, and
//     spaces and tabs around NAME and VALUE. NAME has 1 to 256 letters, digits, "-",
//     "_" and "."; it is compared in lower case and not decoded. Everything else is
//     passed over.
//   - Of the members of one name that travels the first one counts, for the gateway
//     writes its own first. A later one does not count, even if the first has no tag's
//     value.
//   - VALUE is percent-decoded once; a percent sign without two hexadecimal digits is
//     one. The result is a tag's value if it is 1 to 256 characters of visible ASCII,
//     without spaces: what rules can give. A decoded line break would be refused by
//     Envoy, a decoded NUL an empty tag.
//   - The header of the name is set to that value, in the place of all headers of the
//     name that the application sent: the tag that came with the request is the one of
//     the gateway. Baggage stays as it is. Without such a member no header is
//     touched.
//
// # Collect: headers become members
//
// Inbound, for tags that something other than tagproc set:
//
//   - A request header of a name that travels, as above, with a tag's value counts; of
//     several of one name the first one, whatever its value.
//   - Members of these names go, and one of each header is put first, in the order of
//     the headers, the value percent-encoded. All other members stay, in their order,
//     without the spaces and tabs around them.
//   - Over 64 members or 8,192 bytes none are put; those of these names go all the same,
//     for they say something else than the headers.
//   - Without such a header nothing is touched.
//
// # Recompute: tags are derived again
//
// Outbound, by the enforced rules of a table, as [rules.Table.Match] decides them.
// Refused are rules about hosts, paths and queries, which are others between
// applications, and about visitors, who are given ids by the gateway alone; in Lua also
// ramps, and hashes of 64 bits. A tag header that is in the request already,
// with whatever value, stays. Restore overwrites what recompute decides, and
// recompute leaves alone what restore set, so that of both together restored
// baggage wins, whichever is first.
//
// The files in testdata/cases hold restore and collect to this, whatever the data
// path.
package propagation
