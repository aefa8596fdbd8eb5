package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"alcove": func() { os.Exit(run(os.Args[1:])) }})
}

// operatorKey is the operator's token of the brokers that tests start.
var operatorKey = strings.Repeat("Operator", 8)

// TestScripts runs the command line against real brokers: a file per scenario.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			for i, v := range e.Vars {
				if strings.HasPrefix(v, "ALCOVE_") {
					e.Vars[i] = "IGNORED="
				}
			}
			e.Setenv("OPERATOR", operatorKey)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"broker": cmdBroker, "stop": cmdStop, "kill9": cmdKill, "capture": cmdCapture, "mode": cmdMode, "rest": cmdRest,
		},
	})
}

// process is a broker that a script has started.
type process struct {
	cmd *exec.Cmd
	out *output
	err *output
}

// output gathers what a process prints and tells when a line has come.
type output struct {
	mu   sync.Mutex
	cond *sync.Cond
	text bytes.Buffer
	end  bool
}

func gather(r io.Reader) *output {
	o := &output{}
	o.cond = sync.NewCond(&o.mu)
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			o.mu.Lock()
			o.text.WriteString(lines.Text() + "\n")
			o.cond.Broadcast()
			o.mu.Unlock()
		}
		o.mu.Lock()
		o.end = true
		o.cond.Broadcast()
		o.mu.Unlock()
	}()
	return o
}

// line waits for a line that begins so.
func (o *output) line(prefix string) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for l := range strings.Lines(o.text.String()) {
			if strings.HasPrefix(l, prefix) {
				return strings.TrimSpace(l), true
			}
		}
		if o.end {
			return o.text.String(), false
		}
		o.cond.Wait()
	}
}

var (
	processesMu sync.Mutex
	processes   = make(map[string]*process) // by the script's directory
)

// cmdBroker starts `alcove serve` on free ports with further arguments, and sets MQTT,
// MQTTS, HTTP and HTTPS to the ports. Its output stays for `stop`.
func cmdBroker(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! broker")
	}
	bin, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), string(filepath.ListSeparator))[0], "alcove"))
	ts.Check(err)
	all := []string{"serve", "--data", ts.MkAbs("data")}
	for _, l := range []string{"mqtt", "mqtts", "http", "https"} {
		all = append(all, "--"+l, "127.0.0.1:0")
	}
	cmd := exec.Command(bin, append(all, args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "ALCOVE_OPERATOR_TOKEN="+ts.Getenv("OPERATOR"))
	if ts.Getenv("OPERATOR") == "" {
		cmd.Env = os.Environ()
	}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	errOut, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, out: gather(out), err: gather(errOut)}
	line, ok := p.out.line("alcove: ")
	if !ok {
		cmd.Wait()
		ts.Fatalf("the broker did not start:\n%s%s", line, p.err.text.String())
	}
	for _, m := range regexp.MustCompile(`(mqtts?|https?) \S+:(\d+)`).FindAllStringSubmatch(line, -1) {
		ts.Setenv(strings.ToUpper(m[1]), m[2])
	}
	processesMu.Lock()
	processes[ts.MkAbs(".")] = p
	processesMu.Unlock()
	ts.Defer(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
}

func runningBroker(ts *testscript.TestScript) *process {
	processesMu.Lock()
	defer processesMu.Unlock()
	p := processes[ts.MkAbs(".")]
	if p == nil {
		ts.Fatalf("no broker is running")
	}
	return p
}

// cmdStop ends the broker by SIGTERM, wants exit code 0, and writes what it printed to
// broker.out and broker.err.
func cmdStop(ts *testscript.TestScript, neg bool, _ []string) {
	p := runningBroker(ts)
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	timer := time.AfterFunc(30*time.Second, func() { p.cmd.Process.Kill() })
	p.out.line("\x00") // to the end of the output
	p.err.line("\x00")
	err := p.cmd.Wait()
	timer.Stop()
	ts.Check(os.WriteFile(ts.MkAbs("broker.out"), p.out.text.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("broker.err"), p.err.text.Bytes(), 0o600))
	if err != nil && !neg {
		ts.Fatalf("the broker ended with %v\n%s", err, p.err.text.String())
	}
}

// cmdKill ends the broker without notice.
func cmdKill(ts *testscript.TestScript, _ bool, _ []string) {
	p := runningBroker(ts)
	ts.Check(p.cmd.Process.Kill())
	p.out.line("\x00")
	p.err.line("\x00")
	p.cmd.Wait()
}

// cmdCapture sets a variable to the first group of a pattern in the last output.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture variable file pattern")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s is not in %s", args[2], args[1])
	}
	ts.Setenv(args[0], m[1])
}

// cmdRest sends a request to the broker's REST, in the name of $ALCOVE_TOKEN, and puts
// the status and the body of the answer into the file answer: rest method path [body].
func cmdRest(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: rest method path [body]")
	}
	q, err := http.NewRequest(args[0], ts.Getenv("ALCOVE_URL"), strings.NewReader(strings.Join(args[2:], " ")))
	ts.Check(err)
	path, query, _ := strings.Cut(args[1], "?")
	q.URL.Opaque, q.URL.RawQuery = path, query // as it is written
	q.Header.Set("Authorization", "Bearer "+ts.Getenv("ALCOVE_TOKEN"))
	r, err := http.DefaultClient.Do(q)
	ts.Check(err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), fmt.Appendf(nil, "%d %s\n", r.StatusCode, body), 0o600))
	if (r.StatusCode >= 400) != neg {
		ts.Fatalf("%s %s: %d %s", args[0], args[1], r.StatusCode, body)
	}
}

// cmdMode wants a file to have the given permissions.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[0]) == neg {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}
