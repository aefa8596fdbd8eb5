package store

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS is the file system under Pebble. It changes two things about the
// write-ahead log, and nothing about other files.
//
// It keeps errors from Pebble. An error of the log's write or sync makes Pebble
// panic, at places (the change to a new log file) where that ends the process
// whatever its Logger does. So the goroutine which met it is parked here.
//
// It can leave out the sync. A commit which need only survive the process waits
// until its bytes are written, not until they are on the disk. Pebble's NoSync does
// not do that: it leaves them in the process's memory. So such a commit is a Sync
// during which relaxed is set. The log must not promise in its own records that it
// was synced up to some point, because after a power cut Pebble would then take the
// gap for damage and refuse the whole database; formatVersion is therefore below
// Pebble's FormatWALSyncChunks. Before the log file is closed, what was left out is
// made up for: a log file that has a successor is whole.
type walFS struct {
	vfs.FS
	fault *fault
	// relaxed is set by the committer around a commit. Only one is in flight.
	relaxed atomic.Bool
}

func (fs *walFS) Unwrap() vfs.FS { return fs.FS }

// isLog tells whether name is one of the log's files, which Pebble calls
// 000123.log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// fatal parks where err is not nil and the database is open.
func (fs *walFS) fatal(err error, doing, name string) error {
	if err != nil && fs.fault.armed.Load() {
		fs.fault.park(fmt.Errorf("%s %s: %w", doing, name, err))
	}
	return err
}

func (fs *walFS) wrap(f vfs.File, err error, name string) (vfs.File, error) {
	if fs.fatal(err, "creating", name) != nil {
		return nil, err
	}
	return &walFile{File: f, fs: fs, name: name}, nil
}

func (fs *walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if !isLog(name) {
		return f, err
	}
	return fs.wrap(f, err, name)
}

func (fs *walFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldName, newName, category)
	if !isLog(newName) {
		return f, err
	}
	return fs.wrap(f, err, newName)
}

func (fs *walFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &walDir{File: f, fs: fs, name: name}, nil
}

// walDir is the database's directory. Pebble panics where it cannot be synced.
type walDir struct {
	vfs.File
	fs   *walFS
	name string
}

func (d *walDir) Sync() error { return d.fs.fatal(d.File.Sync(), "syncing", d.name) }

// walFile is one file of the write-ahead log.
type walFile struct {
	vfs.File
	fs   *walFS
	name string
	// owing tells that a sync was left out since the last one. Pebble calls Sync
	// on its flushing goroutine and Close after that has ended.
	owing atomic.Bool
}

func (f *walFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.fatal(err, "writing", f.name)
}

func (f *walFile) Sync() error { return f.sync(f.File.Sync) }

func (f *walFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *walFile) sync(sync func() error) error {
	if f.fs.relaxed.Load() {
		f.owing.Store(true)
		return nil
	}
	f.owing.Store(false)
	return f.fs.fatal(sync(), "syncing", f.name)
}

func (f *walFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.fs.fatal(err, "syncing", f.name)
}

func (f *walFile) Close() error {
	if f.owing.Load() {
		if err := f.fs.fatal(f.File.SyncData(), "syncing", f.name); err != nil {
			return err
		}
	}
	return f.fs.fatal(f.File.Close(), "closing", f.name)
}
