package interop

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mosquittoClients are Debian's mosquitto_sub, which is the peer, and mosquitto_pub,
// which is run once for each message it publishes.
func mosquittoClients(name, version string) kind {
	return kind{
		name:    name,
		schemes: []string{"mqtt", "mqtts"},
		// It gives up on a TLS connection that ends without TLS's own close.
		selfReconnect: []string{"mqtt"},
		// mosquitto_sub has it so in 5.0.
		willOnDisconnect: version == "mqttv5",
		open:             func(_ *testing.T, o options) (peer, error) { return openMosquitto(version, o) },
		missing: func() string {
			for _, program := range []string{"mosquitto_pub", "mosquitto_sub", "stdbuf"} {
				if _, err := exec.LookPath(program); err != nil {
					return program + " is not installed"
				}
			}
			return ""
		},
	}
}

type mosquittoPeer struct {
	version string
	o       options
	cmd     *exec.Cmd
	in      chan message
	ended   chan struct{} // closed when the process has ended
	stop    sync.Once
	stopErr error
}

// delivery marks the lines of mosquitto_sub that are deliveries.
const delivery = "=> "

// common are the arguments that both programs share.
func (p *mosquittoPeer) common(clientID string) []string {
	args := []string{"-h", p.o.url.Hostname(), "-p", p.o.url.Port(), "-V", p.version, "-i", clientID}
	if p.o.username != "" {
		args = append(args, "-u", p.o.username)
	}
	if p.o.password != "" {
		args = append(args, "-P", p.o.password)
	}
	if p.o.url.Scheme == "mqtts" {
		args = append(args, "--cafile", target.caPEM)
	}
	return args
}

func openMosquitto(version string, o options) (peer, error) {
	p := &mosquittoPeer{version: version, o: o, in: make(chan message, 4096), ended: make(chan struct{})}
	args := append([]string{"-oL", "mosquitto_sub", "-d", "-F", delivery + "%t %q %r %x"}, p.common(o.clientID)...)
	if len(o.subs) == 0 { // it insists on one
		args = append(args, "-t", "interop/nothing/"+o.clientID)
	}
	for _, s := range o.subs {
		args = append(args, "-t", s.filter, "-q", strconv.Itoa(int(s.qos)))
	}
	if o.persistent {
		args = append(args, "-c")
		if version == "mqttv5" {
			args = append(args, "-x", strconv.Itoa(int(sessionExpiry)))
		}
	}
	if w := o.will; w != nil {
		args = append(args, "--will-topic", w.topic, "--will-payload", string(w.payload), "--will-qos", strconv.Itoa(int(w.qos)))
		if w.retain {
			args = append(args, "--will-retain")
		}
	}
	p.cmd = exec.Command("stdbuf", args...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	p.cmd.Stderr = &stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	go p.read(stdout, ready)
	select {
	case err := <-ready:
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, stderr.String())
		}
		return p, nil
	case <-time.After(patience):
		p.abandon()
		return nil, errors.New("mosquitto_sub got no SUBACK")
	}
}

// read takes the program's lines until it ends. ready gets nil after the SUBACK, or
// an error when the program ends before.
func (p *mosquittoPeer) read(stdout io.Reader, ready chan<- error) {
	defer close(p.ended)
	lines := bufio.NewReaderSize(stdout, 1<<20)
	subscribed := false
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		text = strings.TrimSuffix(text, "\n")
		if rest, ok := strings.CutPrefix(text, delivery); ok {
			if m, err := parseDelivery(rest); err == nil {
				p.in <- m
			}
			continue
		}
		if granted, ok := strings.CutPrefix(text, "Subscribed (mid:"); ok && !subscribed {
			subscribed = true
			ready <- p.checkGranted(granted)
		}
	}
	err := p.cmd.Wait()
	if !subscribed {
		ready <- fmt.Errorf("mosquitto_sub ended before its SUBACK (%v)", err)
	}
}

// checkGranted compares " 1): 2, 2" with what was asked for.
func (p *mosquittoPeer) checkGranted(text string) error {
	_, list, _ := strings.Cut(text, "): ")
	codes := strings.Split(list, ", ")
	for i, s := range p.o.subs {
		if i >= len(codes) || strings.TrimSpace(codes[i]) != strconv.Itoa(int(s.qos)) {
			return fmt.Errorf("subscribing to %s: SUBACK %s", s.filter, list)
		}
	}
	return nil
}

// parseDelivery reads "topic qos retain hex".
func parseDelivery(text string) (message, error) {
	f := strings.SplitN(text, " ", 4)
	if len(f) != 4 || len(f[1]) != 1 {
		return message{}, fmt.Errorf("not a delivery: %q", text)
	}
	payload, err := hex.DecodeString(f[3])
	return message{topic: f[0], qos: f[1][0] - '0', retain: f[2] == "1", payload: payload}, err
}

func (p *mosquittoPeer) publish(m message) error {
	args := append(p.common(unique("pub")), "-t", m.topic, "-q", strconv.Itoa(int(m.qos)))
	if m.retain {
		args = append(args, "-r")
	}
	if len(m.payload) == 0 {
		args = append(args, "-n")
	} else {
		args = append(args, "-s")
	}
	cmd := exec.Command("mosquitto_pub", args...)
	cmd.Stdin = bytes.NewReader(m.payload)
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("mosquitto_pub: %w: %s", err, out)
	}
	return nil
}

func (p *mosquittoPeer) received() <-chan message     { return p.in }
func (p *mosquittoPeer) sessionPresent() (bool, bool) { return false, false }

// disconnect asks the program to end, which makes it send DISCONNECT.
func (p *mosquittoPeer) disconnect() error {
	p.stop.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(patience):
			p.stopErr = errors.New("mosquitto_sub did not end")
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	})
	return p.stopErr
}

func (p *mosquittoPeer) abandon() {
	p.stop.Do(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
}
