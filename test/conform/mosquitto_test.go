package conform

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMosquitto runs the suite on Debian's mosquitto, so that the suite itself
// is checked: each failure there is mosquitto's own and stands in mosquitto.tsv.
func TestMosquitto(t *testing.T) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	// Started before the brokers of other tests look for free ports.
	target := startMosquitto(t)
	t.Parallel()
	target.Known = knownOfMosquitto(t)
	Run(t, target)
}

// knownOfMosquitto reads mosquitto.tsv: case, what mosquitto does, why that is
// not what the standard says.
func knownOfMosquitto(t *testing.T) map[string]string {
	text, err := os.ReadFile("mosquitto.tsv")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, g := range groups() {
		for _, c := range g.cases {
			for _, x := range variants(c) {
				keys[x.Key()] = true
			}
		}
	}
	known := map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if i == 0 {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 || f[1] == "" || f[2] == "" {
			t.Fatalf("mosquitto.tsv line %d: want case, what, why", i+1)
		}
		if !keys[f[0]] {
			t.Errorf("mosquitto.tsv line %d: no case %q", i+1, f[0])
		}
		known[f[0]] = f[1] + ": " + f[2]
	}
	return known
}

// mosquittoPath finds the broker, which Debian installs outside of most users' PATH.
func mosquittoPath() string {
	for _, p := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
	}
	return ""
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func startMosquitto(t *testing.T) Target {
	path := mosquittoPath()
	if path == "" {
		t.Skip("skipped: mosquitto is not installed, the suite is not checked against it")
	}
	passwd, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Skip("skipped: mosquitto_passwd is not installed")
	}
	dir := t.TempDir()
	users := filepath.Join(dir, "users")
	const user, password = "conform", "secret"
	if out, err := exec.Command(passwd, "-b", "-c", users, user, password).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	os.Chmod(dir, 0o755)
	os.Chmod(users, 0o644) // mosquitto gives up root's rights before it reads the file
	var why string
	for range 3 { // a free port may be taken before mosquitto has it
		mqtt, ws := freePort(t), freePort(t)
		text := fmt.Sprintf("user root\npersistence false\nallow_anonymous true\npassword_file %s\nmax_topic_alias 10\nlistener %d 127.0.0.1\nlistener %d 127.0.0.1\nprotocol websockets\n", users, mqtt, ws)
		config := filepath.Join(dir, "mosquitto.conf")
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if why = runMosquitto(t, path, config, mqtt); why == "" {
			return Target{Name: "mosquitto", URL: fmt.Sprintf("mqtt://127.0.0.1:%d", mqtt), WS: fmt.Sprintf("ws://127.0.0.1:%d/mqtt", ws),
				User: user, Password: password, Auth: true}
		}
	}
	t.Fatalf("mosquitto does not start: %s", why)
	return Target{}
}

// runMosquitto runs mosquitto until the end of the test and returns why it
// does not listen, or nothing.
func runMosquitto(t *testing.T, path, config string, port int) string {
	var log bytes.Buffer
	cmd := exec.Command(path, "-c", config)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for range 100 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		select {
		case <-ended:
			return log.String()
		case <-time.After(100 * time.Millisecond):
		}
		if err == nil {
			return ""
		}
	}
	return "it does not listen"
}
