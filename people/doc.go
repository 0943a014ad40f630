// Package people reads the ids of users from files that others wrote, and makes up ids
// where there are no users yet.
//
// A file has an id on each line, or is CSV whose first line names its columns; either
// may be compressed with gzip. It may have any size: nothing of it is kept. The package
// never knows who wrote a file, and what becomes of an id.
package people
