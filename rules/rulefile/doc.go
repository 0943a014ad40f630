// Package rulefile reads a rules file once ([Read]), or follows it as long as a server
// runs ([Watcher]).
//
// The truth is a poll of the file's content. Events of the file's directory only make a
// change known sooner. So a ConfigMap's swapped symbolic link, an editor's rename, a file
// system without events and a machine without free inotify instances are all one case.
//
// A change is believed once two looks at the file, a moment apart, agree: the
// first half of a file is often valid YAML and, as rules, wrong. A writer that
// rests for longer than that in the middle of the file cannot be told from one
// that has finished; write a new file and rename it over the old one.
//
// The package never knows what rules mean, nor who uses them. Its caller keeps the last
// good rules while a file is bad.
package rulefile
