// Package rollout is a rules file as text, and the edits of a rollout: a share of a tag,
// a promotion, a rollback, a mode, a named user, a ramp.
//
// [Read] takes a file in any envelope. [File.Set] and the other verbs return the file
// after the edit: the bytes of the numbers change, and those of new entries come, and
// nothing else does. Each verb compiles its result and compares it with what was asked
// for, so that a file comes out that means that, or an error. [Leaving] says who loses
// a tag by it.
//
// The package never knows where a file is: who writes it, and how, is for its callers.
package rollout
