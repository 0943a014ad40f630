// Package observed compares the tags that users get today, a CSV file exported from access
// logs, with what a rules table decides for them: who would be sent elsewhere by these
// rules.
//
// It decides nothing: [rules.Table.Match] does, as for served requests. It reads files of
// any size in bounded memory, and never knows who wrote them, nor how the report is shown.
package observed
