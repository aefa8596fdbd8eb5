package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// mqttJS is mqtt.js in protocol version 4 or 5, in one Node process for all tests
// (js/driver.mjs).
func mqttJS(name string, version int) kind {
	return kind{
		name:          name,
		schemes:       []string{"mqtt", "mqtts", "ws", "wss"},
		selfReconnect: []string{"mqtt", "mqtts", "ws", "wss"},
		open:          func(_ *testing.T, o options) (peer, error) { return openJS(version, o, nil) },
		missing: func() string {
			if _, err := exec.LookPath("node"); err != nil {
				return "Node is not installed"
			}
			if _, err := os.Stat(filepath.Join("js", "node_modules", "mqtt")); err != nil {
				return "its packages are not installed (npm ci in test/interop/js)"
			}
			return ""
		},
	}
}

// jsMessage is a delivery as the driver tells it.
type jsMessage struct {
	Topic      string         `json:"topic"`
	QoS        byte           `json:"qos"`
	Retain     bool           `json:"retain"`
	Payload    []byte         `json:"payload"`
	Properties map[string]any `json:"properties"`
}

// jsAnswer is a line of the driver: the answer to command Seq, or a delivery.
type jsAnswer struct {
	Seq     int        `json:"seq"`
	Error   string     `json:"error"`
	Present bool       `json:"present"`
	Peer    string     `json:"peer"`
	Message *jsMessage `json:"message"`

	// Properties are those of the CONNACK or of the acknowledgement.
	Properties map[string]any `json:"properties"`
}

// node is the one Node process.
var node struct {
	start sync.Once
	err   error
	cmd   *exec.Cmd

	mu      sync.Mutex
	in      io.WriteCloser
	seq     int
	answers map[int]chan jsAnswer
	peers   map[string]*jsPeer
}

func startNode() {
	node.answers = map[int]chan jsAnswer{}
	node.peers = map[string]*jsPeer{}
	node.cmd = exec.Command("node", "driver.mjs")
	node.cmd.Dir = "js"
	node.cmd.Stderr = os.Stderr
	out, err := node.cmd.StdoutPipe()
	if err == nil {
		node.in, err = node.cmd.StdinPipe()
	}
	if err == nil {
		err = node.cmd.Start()
	}
	node.err = err
	if err == nil {
		go readNode(out)
	}
}

// stopNode ends the process; TestMain calls it.
func stopNode() {
	if node.in != nil {
		node.in.Close()
		_ = node.cmd.Wait()
	}
}

// readNode hands out the driver's lines until it ends.
func readNode(out io.Reader) {
	lines := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	for {
		var a jsAnswer
		if err := lines.Decode(&a); err != nil {
			return
		}
		node.mu.Lock()
		if a.Message != nil {
			p := node.peers[a.Peer]
			node.mu.Unlock()
			if p != nil {
				if p.tap != nil {
					p.tap(*a.Message)
				}
				p.in <- message{topic: a.Message.Topic, qos: a.Message.QoS, retain: a.Message.Retain, payload: a.Message.Payload}
			}
			continue
		}
		answer := node.answers[a.Seq]
		delete(node.answers, a.Seq)
		node.mu.Unlock()
		if answer != nil {
			answer <- a
		}
	}
}

// tell sends one command and waits for its answer.
func tell(command map[string]any) (jsAnswer, error) {
	node.start.Do(startNode)
	if node.err != nil {
		return jsAnswer{}, node.err
	}
	answer := make(chan jsAnswer, 1)
	node.mu.Lock()
	node.seq++
	command["seq"] = node.seq
	node.answers[node.seq] = answer
	line, err := json.Marshal(command)
	if err == nil {
		_, err = node.in.Write(append(line, '\n'))
	}
	node.mu.Unlock()
	if err != nil {
		return jsAnswer{}, err
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return a, errors.New("mqtt.js: " + a.Error)
		}
		return a, nil
	case <-time.After(patience):
		return jsAnswer{}, errors.New("mqtt.js: no answer")
	}
}

type jsPeer struct {
	name    string
	in      chan message
	tap     func(jsMessage) // sees each delivery with its properties
	present bool
	ended   sync.Once

	greeting map[string]any // properties of the CONNACK
}

// openJS connects; extra options are merged over the usual ones.
func openJS(version int, o options, p *jsPeer, extra ...map[string]any) (*jsPeer, error) {
	if p == nil {
		p = &jsPeer{}
	}
	p.name, p.in = unique("js"), make(chan message, 4096)
	opts := map[string]any{
		"clientId": o.clientID, "protocolVersion": version, "clean": !o.persistent,
		"reconnectPeriod": 0, "connectTimeout": patience.Milliseconds(),
	}
	if o.reconnects {
		opts["reconnectPeriod"] = 200
	}
	if o.username != "" {
		opts["username"] = o.username
	}
	if o.password != "" {
		opts["password"] = o.password
	}
	if target.caPEM != "" {
		opts["caFile"] = target.caPEM
	}
	if version == 5 && o.persistent {
		opts["properties"] = map[string]any{"sessionExpiryInterval": sessionExpiry}
	}
	if o.will != nil {
		opts["will"] = map[string]any{
			"topic": o.will.topic, "payload": o.will.payload, "qos": o.will.qos, "retain": o.will.retain,
		}
	}
	for _, more := range extra {
		for k, v := range more {
			opts[k] = v
		}
	}
	subs := []map[string]any{}
	for _, s := range o.subs {
		subs = append(subs, map[string]any{"filter": s.filter, "qos": s.qos})
	}
	node.start.Do(startNode)
	if node.err != nil {
		return nil, node.err
	}
	node.mu.Lock()
	node.peers[p.name] = p // before opening: a resumed session delivers at once
	node.mu.Unlock()
	a, err := tell(map[string]any{"op": "open", "peer": p.name, "url": o.url.String(), "options": opts, "subs": subs})
	p.present, p.greeting = a.Present, a.Properties
	return p, err
}

func (p *jsPeer) publish(m message) error { return p.publishWith(m, nil) }

// publishWith also gives 5.0 properties, in the names of mqtt.js.
func (p *jsPeer) publishWith(m message, properties map[string]any) error {
	command := map[string]any{
		"op": "publish", "peer": p.name, "topic": m.topic, "qos": m.qos, "retain": m.retain, "payload": m.payload,
	}
	if properties != nil {
		command["properties"] = properties
	}
	_, err := tell(command)
	return err
}

func (p *jsPeer) received() <-chan message     { return p.in }
func (p *jsPeer) sessionPresent() (bool, bool) { return p.present, true }
func (p *jsPeer) disconnect() error            { return p.end(false) }
func (p *jsPeer) abandon()                     { _ = p.end(true) }

func (p *jsPeer) end(force bool) (err error) {
	p.ended.Do(func() {
		_, err = tell(map[string]any{"op": "end", "peer": p.name, "force": force})
	})
	return err
}
