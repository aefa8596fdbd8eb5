package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTime bounds how long a broker may take until it accepts connections.
	startTime = 30 * time.Second
	// sampleTime is what a sample may take beyond the time that it measures.
	sampleTime = 2 * time.Minute
	// token is the operator's key of the measured Alcove.
	token = "BenchBenchBenchBenchBenchBenchBenchBenchBenchBenchBenchBenchBenc"
)

// maker is how one broker is started.
type maker struct {
	name    string
	version string
	token   string
	// command gives the command line which serves at a site.
	command func(o options, at site) ([]string, error)
	// noWebSocket is set for a build that does not speak it.
	noWebSocket bool
	// data is a directory of one run, empty for none; it is emptied between runs.
	data string
}

// prepare builds all brokers and returns those that this machine can run.
func prepare(ctx context.Context, o options) ([]*maker, error) {
	if err := writeCertificate(o.dir); err != nil {
		return nil, err
	}
	if err := build(ctx, o.root, filepath.Join(o.dir, "alcove"), "./cmd/alcove"); err != nil {
		return nil, err
	}
	known := map[string]func(context.Context, options) (*maker, error){
		"alcove": makeAlcove, "mosquitto": makeMosquitto, "mochi": makeGoPeer("mochi", "github.com/mochi-mqtt/server/v2"),
		"nats": makeGoPeer("nats", "github.com/nats-io/nats-server/v2"),
	}
	var makers []*maker
	for _, name := range o.brokers {
		f, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("no broker %q", name)
		}
		m, err := f(ctx, o)
		if err != nil {
			return nil, err
		}
		if m != nil {
			makers = append(makers, m)
		}
	}
	return makers, nil
}

// build compiles one command.
func build(ctx context.Context, dir, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", out, pkg)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, text)
	}
	return nil
}

func makeAlcove(_ context.Context, o options) (*maker, error) {
	data := filepath.Join(o.dir, "data")
	return &maker{
		name: "alcove", version: "this tree", token: token, data: data,
		command: func(o options, at site) ([]string, error) {
			listen := map[transport]string{overTCP: "off", overTLS: "off", overWS: cmp.Or(at.rest, "off")}
			listen[at.transport] = at.address
			return []string{filepath.Join(o.dir, "alcove"), "serve", "--mqtt", listen[overTCP], "--mqtts", listen[overTLS],
				"--http", listen[overWS], "--https", "off", "--data", data}, nil
		},
	}, nil
}

// makeGoPeer builds bench/cmd/<name>, which embeds the given module.
func makeGoPeer(name, module string) func(context.Context, options) (*maker, error) {
	return func(ctx context.Context, o options) (*maker, error) {
		bin := filepath.Join(o.dir, name)
		if err := build(ctx, ".", bin, "./cmd/"+name); err != nil {
			return nil, err
		}
		version, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module).Output()
		if err != nil {
			return nil, fmt.Errorf("the version of %s: %w", module, err)
		}
		return &maker{
			name: name, version: strings.TrimSpace(string(version)),
			command: func(o options, at site) ([]string, error) {
				args := []string{bin, "--listen", at.address}
				switch at.transport {
				case overWS:
					args = append(args, "--ws")
				case overTLS:
					args = append(args, "--cert", filepath.Join(o.dir, "cert.pem"), "--key", filepath.Join(o.dir, "key.pem"))
				}
				return args, nil
			},
		}, nil
	}
}

var mosquittoVersion = regexp.MustCompile(`mosquitto version (\S+)`)

// makeMosquitto uses the installed mosquitto; without one it is named as skipped.
func makeMosquitto(ctx context.Context, o options) (*maker, error) {
	bin, err := exec.LookPath("mosquitto")
	if err != nil {
		if bin = "/usr/sbin/mosquitto"; !found(bin) {
			fmt.Println("skipped: mosquitto is not installed")
			return nil, nil
		}
	}
	help, _ := exec.CommandContext(ctx, bin, "-h").CombinedOutput() // exits with 3 by habit
	m := &maker{name: "mosquitto", version: "unknown", noWebSocket: !links(bin, "libwebsockets")}
	if v := mosquittoVersion.FindSubmatch(help); v != nil {
		m.version = string(v[1])
	}
	m.command = func(o options, at site) ([]string, error) {
		file := filepath.Join(o.dir, "mosquitto.conf")
		return []string{bin, "-c", file}, os.WriteFile(file, mosquittoConfig(o, at), 0o644)
	}
	return m, nil
}

// links tells whether a program is linked to a library of that name. Debian's
// mosquitto, for one, has been built with WebSocket and without.
func links(program, library string) bool {
	file, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	return err == nil && slices.ContainsFunc(libraries, func(name string) bool { return strings.HasPrefix(name, library) })
}

// mosquittoConfig raises what would lose messages or stop a run, and sends at once.
func mosquittoConfig(o options, at site) []byte {
	host, port, _ := net.SplitHostPort(at.address)
	var b bytes.Buffer
	fmt.Fprintf(&b, "listener %s %s\nallow_anonymous true\npersistence false\nlog_type none\n", port, host)
	if at.transport == overWS {
		b.WriteString("protocol websockets\n")
	}
	b.WriteString("set_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\nmax_queued_bytes 0\n")
	if me, err := user.Current(); err == nil {
		fmt.Fprintf(&b, "user %s\n", me.Username)
	}
	if at.transport == overTLS {
		fmt.Fprintf(&b, "certfile %s\nkeyfile %s\n", filepath.Join(o.dir, "cert.pem"), filepath.Join(o.dir, "key.pem"))
	}
	return b.Bytes()
}

// sample starts the broker, runs one scenario against it and ends it.
func (m *maker) sample(ctx context.Context, o options, scenario string) (*sample, error) {
	r := findRow(scenario)
	ctx, cancel := context.WithTimeout(ctx, o.duration+r.limit)
	defer cancel()
	at, err := newSite(r)
	if err != nil {
		return nil, err
	}
	if m.data != "" {
		if err := os.RemoveAll(m.data); err != nil {
			return nil, err
		}
	}
	args, err := m.command(o, at)
	if err != nil {
		return nil, err
	}
	var log bytes.Buffer
	cores, _, processors := r.place()
	broker := pinned(ctx, o.pin, cores, args)
	broker.Env = append(os.Environ(), "ALCOVE_OPERATOR_TOKEN="+token)
	if o.pin {
		broker.Env = append(broker.Env, "GOMAXPROCS="+strconv.Itoa(processors))
	}
	broker.Stdout, broker.Stderr = &log, &log
	if r.traced {
		trace, err := os.Create(o.trace())
		if err != nil {
			return nil, err
		}
		defer trace.Close()
		broker.Stderr = trace
		broker.Env = append(broker.Env, "GODEBUG=gctrace=1")
	}
	if err := broker.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- broker.Wait() }()
	defer func() {
		_ = syscall.Kill(-broker.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-broker.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}()
	if err := awaitListener(ctx, at.address, ended); err != nil {
		return nil, fmt.Errorf("%w: %s", err, last(log.String()))
	}
	return m.drive(ctx, o, r, r.driverArgs(o, at, m.token, broker.Process.Pid))
}

// sockets are the addresses in a network error, which are different in each run.
var sockets = regexp.MustCompile(`(read|write|dial) tcp \S+: `)

// drive runs `alcove bench`. taskset replaces itself by the broker, so that the
// broker's process id is the one that was started.
func (m *maker) drive(ctx context.Context, o options, r row, args []string) (*sample, error) {
	args = append([]string{filepath.Join(o.dir, "alcove")}, args...)
	_, cores, _ := r.place()
	driver := pinned(ctx, o.pin, cores, args)
	var out, errs bytes.Buffer
	driver.Stdout, driver.Stderr = &out, &errs
	if err := driver.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, sockets.ReplaceAllString(last(errs.String()), ""))
	}
	var s sample
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return nil, fmt.Errorf("reading the driver's result: %w", err)
	}
	r.check(m, &s)
	return &s, nil
}

// pinned prepares a command, on the given cores if asked, in a process group of its own.
func pinned(ctx context.Context, pin bool, cores string, args []string) *exec.Cmd {
	if pin {
		args = append([]string{"taskset", "-c", cores}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// freeAddress finds a loopback port that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitListener returns when addr accepts connections.
func awaitListener(ctx context.Context, addr string, ended <-chan error) error {
	deadline := time.After(startTime)
	for {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case err := <-ended:
			return errors.Join(errors.New("the broker ended at once"), err)
		case <-deadline:
			return errors.New("the broker does not listen")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeCertificate makes a self-signed certificate for the peers' TLS listeners.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// found tells whether a program is on the path.
func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// last gives the last line of a text, for an error.
func last(text string) string {
	lines := bufio.NewScanner(io.LimitReader(strings.NewReader(text), 1<<20))
	line := ""
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) != "" {
			line = lines.Text()
		}
	}
	return line
}
