// Package simulation counts what rules decide for many people, and judges whether their
// shares are what the ranges say: by chance they are never quite that.
//
// It decides nothing: [rules.Table.Decide] does. Every rule is counted as if it were alone,
// since nothing but the id of a person is known: it stands for the first key of each rule.
// The package never knows where ids come from.
package simulation
