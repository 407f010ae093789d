package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// LogFile is a file that is set aside when it is full: path, then path.1 and so
// on up to path.<Keep>, the oldest last. It is safe for concurrent use.
type LogFile struct {
	path  string
	limit int64 // bytes
	keep  int

	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenLog opens the log at path for appending, making its directory if needed.
// The file is set aside once it would exceed limit bytes; keep older ones are
// kept.
func OpenLog(path string, limit int64, keep int) (*LogFile, error) {
	l := &LogFile{path: path, limit: limit, keep: keep}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *LogFile) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Write appends p. It never fails: an error would end the program whose output
// this is, and a full disk is no reason for that.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && l.size > 0 && l.size+int64(len(p)) > l.limit {
		l.rotate()
	}
	if l.file == nil && l.open() != nil {
		return len(p), nil
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
	return len(p), nil
}

func (l *LogFile) rotate() {
	l.file.Close()
	l.file = nil
	for i := l.keep - 1; i > 0; i-- {
		_ = os.Rename(l.older(i), l.older(i+1)) // absent ones are no matter
	}
	if l.keep < 1 || os.Rename(l.path, l.older(1)) != nil {
		_ = os.Remove(l.path)
	}
}

func (l *LogFile) older(i int) string { return fmt.Sprintf("%s.%d", l.path, i) }

// Close closes the file.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return file.Close()
}
