// Package alcovetest starts a real alcove for tests which drive it from outside.
//
// Binary builds cmd/alcove once, at a path which test processes share, or takes
// ALCOVE_BIN from the environment. Start runs it on free ports of the
// loopback with data in a directory of the test, waits for its start line, and
// ends it with the test. A Broker may be stopped, killed and started again on
// the same data.
package alcovetest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// OperatorToken is the operator's key in every broker that Start starts.
const OperatorToken = "OperatorTokenOfTheTests0123456789abcdefghijklmnopqrstuvwxyzABCDE"

// Config says how a broker is started. The zero value opens MQTT and HTTP on
// free ports with data in the test's own directory.
type Config struct {
	YAML string   // contents of a configuration file, if any
	Args []string // further flags; they win over the ones given by Start
	Env  []string // further environment, as NAME=value
	Data string   // data directory; empty makes one
}

// Broker is a running alcove.
type Broker struct {
	MQTT, MQTTS, HTTP, HTTPS string // addresses host:port; empty where off
	Data                     string
	Token                    string // the operator's key

	config Config
	tb     testing.TB
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has been waited for
	mu     sync.Mutex
	output bytes.Buffer // guarded by mu
}

// Root is the directory of the module.
func Root(tb testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(b, []byte("module alcove\n")) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod of module alcove above the working directory")
		}
		dir = parent
	}
}

var built struct {
	once sync.Once
	path string
	err  error
}

// Binary is the path of the alcove under test.
func Binary(tb testing.TB) string {
	tb.Helper()
	built.once.Do(func() { built.path, built.err = buildBinary(Root(tb)) })
	if built.err != nil {
		tb.Fatal(built.err)
	}
	return built.path
}

func buildBinary(root string) (string, error) {
	if path := os.Getenv("ALCOVE_BIN"); path != "" {
		return path, nil
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("alcove-test-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close() // gives the lock back
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "alcove")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/alcove")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/alcove: %w\n%s", err, out)
	}
	return path, nil
}

// Start runs a broker until the end of the test.
func Start(tb testing.TB, c Config) *Broker {
	tb.Helper()
	if c.Data == "" {
		c.Data = tb.TempDir()
	}
	b := &Broker{Data: c.Data, Token: OperatorToken, config: c, tb: tb}
	b.start()
	tb.Cleanup(func() {
		b.Kill()
		for _, sign := range []string{"WARNING: DATA RACE", "\npanic: ", "\nfatal error: "} {
			if at := strings.Index("\n"+b.Output(), sign); at >= 0 {
				tb.Errorf("the broker prints %s:\n%.4000s", strings.TrimSpace(sign), ("\n" + b.Output())[at:])
			}
		}
		if tb.Failed() {
			tb.Logf("broker output:\n%s", tail(b.Output(), 4000))
		}
	})
	return b
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (b *Broker) start() {
	b.tb.Helper()
	args := []string{"serve", "--data", b.Data, "--mqtt", "127.0.0.1:0", "--mqtts", "off", "--http", "127.0.0.1:0", "--https", "off"}
	if b.config.YAML != "" {
		file := filepath.Join(b.tb.TempDir(), "alcove.yaml")
		if err := os.WriteFile(file, []byte(b.config.YAML), 0o600); err != nil {
			b.tb.Fatal(err)
		}
		args = append(args, "--config", file)
	}
	b.cmd = exec.Command(Binary(b.tb), append(args, b.config.Args...)...)
	b.cmd.Env = append(append(os.Environ(), "ALCOVE_OPERATOR_TOKEN="+OperatorToken), b.config.Env...)
	r, w, err := os.Pipe()
	if err != nil {
		b.tb.Fatal(err)
	}
	b.cmd.Stdout, b.cmd.Stderr = w, w
	if err := b.cmd.Start(); err != nil {
		b.tb.Fatal(err)
	}
	w.Close()
	b.exited = make(chan struct{})
	started := make(chan string, 1)
	go b.read(r, started)
	go func(cmd *exec.Cmd, exited chan struct{}) { cmd.Wait(); close(exited) }(b.cmd, b.exited)
	select {
	case line := <-started:
		b.parse(line)
	case <-b.exited:
		b.tb.Fatalf("alcove ended at once:\n%s", b.Output())
	case <-time.After(30 * time.Second):
		b.Kill()
		b.tb.Fatalf("no start line:\n%s", b.Output())
	}
}

func (b *Broker) read(r *os.File, started chan<- string) {
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		b.mu.Lock()
		if b.output.Len() < 1<<20 {
			b.output.WriteString(lines.Text() + "\n")
		}
		b.mu.Unlock()
		if strings.HasPrefix(lines.Text(), "alcove: mqtt ") || strings.HasPrefix(lines.Text(), "alcove: ") && strings.Contains(lines.Text(), "  data ") {
			select {
			case started <- lines.Text():
			default:
			}
		}
	}
}

func (b *Broker) parse(line string) {
	fields := strings.Fields(strings.TrimPrefix(line, "alcove:"))
	for i := 0; i+1 < len(fields); i += 2 {
		value := fields[i+1]
		if value == "off" {
			value = ""
		}
		switch fields[i] {
		case "mqtt":
			b.MQTT = value
		case "mqtts":
			b.MQTTS = value
		case "http":
			b.HTTP = value
		case "https":
			b.HTTPS = value
		}
	}
}

// Output is what the broker has printed so far, both streams.
func (b *Broker) Output() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.output.String()
}

// PID is the broker's process.
func (b *Broker) PID() int { return b.cmd.Process.Pid }

// Alive tells whether the process still runs.
func (b *Broker) Alive() bool {
	select {
	case <-b.exited:
		return false
	default:
		return true
	}
}

// Kill ends the broker at once, as kill -9 does.
func (b *Broker) Kill() {
	b.cmd.Process.Kill()
	<-b.exited
}

// Stop asks the broker to end and fails the test unless it exits with 0.
func (b *Broker) Stop() {
	b.tb.Helper()
	b.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-b.exited:
	case <-time.After(30 * time.Second):
		b.Kill()
		b.tb.Fatal("alcove does not end on SIGTERM")
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		b.tb.Errorf("alcove exits with %d on SIGTERM", code)
	}
}

// Restart starts a broker that was stopped or killed again, on the same data
// and with fresh ports.
func (b *Broker) Restart() {
	b.tb.Helper()
	b.start()
}

// RSS is the resident memory of the process in bytes.
func (b *Broker) RSS() int64 {
	b.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.PID()))
	if err != nil {
		b.tb.Skipf("resident memory is read from /proc: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	b.tb.Fatal("no VmRSS in /proc")
	return 0
}
