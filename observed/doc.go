// Package observed compares what users were seen to get, a CSV file exported from
// access logs, with what a rules table decides for them: who would be sent
// elsewhere once these rules decide.
//
// It decides nothing: [rules.Table.Match] does, the same that serves requests. It
// reads files of any size in bounded memory, and never knows who wrote them, nor
// how what it finds is shown.
package observed
