package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// command prepares a child in a process group of its own, which is killed whole
// when ctx ends and again by reap when the child has ended.
func command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// A clone owned by somebody else must not stop the build at its version stamp.
	cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"))
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// reap kills what a child left behind in its process group: a broker whose test
// was killed, for example.
func reap(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH when nothing is left
	}
}

// output runs a command to its end and returns what it printed on both streams.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := command(ctx, dir, env, name, args...)
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err := cmd.Run()
	reap(cmd)
	return buf.String(), err
}

// goTest runs `go test -json args…` in dir and counts its results in t.
func goTest(ctx context.Context, t *tally, dir string, env []string, args ...string) {
	fmt.Printf("go test %s\n", strings.Join(args, " "))
	cmd := command(ctx, dir, env, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.fail("go test", err.Error())
		return
	}
	if err := cmd.Start(); err != nil {
		t.fail("go test", err.Error())
		return
	}
	before := t.failed
	r := newReader(t, os.Stdout)
	readErr := r.read(pipe)
	if readErr != nil {
		_, _ = io.Copy(io.Discard, pipe) // let the child end
	}
	err = errors.Join(readErr, cmd.Wait())
	reap(cmd)
	// go test may fail without an event that says why: bad flags, no package.
	if err != nil && t.failed == before {
		t.fail("go test in "+dir, err.Error())
	}
}

// packages lists the import paths of dir's module that keep accepts.
func packages(ctx context.Context, dir string, keep func(string) bool) ([]string, error) {
	out, err := output(ctx, dir, nil, "go", "list", "./...")
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", dir, err, out)
	}
	var pkgs []string
	for _, pkg := range strings.Fields(out) {
		if keep(pkg) {
			pkgs = append(pkgs, pkg)
		}
	}
	return pkgs, nil
}

// goFiles lists the project's Go files under root.
func goFiles(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !d.IsDir() && filepath.Ext(path) == ".go" {
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// found tells whether a program is on the path.
func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
