// Package patience makes calls that may never return, such as a read of a file on
// NFS or FUSE, and gives up on them in time.
//
// It knows nothing of files.
package patience
