package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must come; no test passes
// because of it.
const patience = 60 * time.Second

// broker is what the tests drive.
type broker struct {
	// urls by scheme: mqtt, mqtts, ws, wss. A scheme that is missing is not offered.
	urls  map[string]*url.URL
	token string // empty: the broker takes anybody
	roots *x509.CertPool
	caPEM string // file with the certificate of the TLS listeners; empty without TLS
}

// target is the broker of this run, set by TestMain.
var target broker

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "alcove-interop-")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(dir)
		stop, err := setUp(dir)
		defer stop()
		if err != nil {
			fmt.Println("interop:", err)
			return 1
		}
		defer stopNode()
		return m.Run()
	}())
}

// setUp finds or starts the broker. stop is never nil.
func setUp(dir string) (stop func(), err error) {
	stop = func() {}
	target.urls = map[string]*url.URL{}
	if os.Getenv("ALCOVE_URL") != "" {
		target.token = os.Getenv("ALCOVE_TOKEN")
		for scheme, name := range map[string]string{
			"mqtt": "ALCOVE_URL", "mqtts": "ALCOVE_MQTTS_URL", "ws": "ALCOVE_WS_URL", "wss": "ALCOVE_WSS_URL",
		} {
			if v := os.Getenv(name); v != "" {
				if target.urls[scheme], err = url.Parse(v); err != nil {
					return stop, err
				}
			}
		}
	} else if stop, err = startAlcove(dir); err != nil {
		return stop, err
	}
	for _, scheme := range []string{"mqtts", "wss"} {
		if u := target.urls[scheme]; u != nil {
			return stop, fetchCertificate(u.Host, filepath.Join(dir, "broker.pem"))
		}
	}
	return stop, nil
}

// startLine is what `alcove serve` prints when all its listeners are open.
var startLine = regexp.MustCompile(`\b(mqtt|mqtts|http|https) (127\.0\.0\.1:\d+)`)

// startAlcove starts a broker on free ports with its data under dir.
func startAlcove(dir string) (stop func(), err error) {
	stop = func() {}
	bin := os.Getenv("ALCOVE_BIN")
	if bin == "" {
		bin = filepath.Join(dir, "alcove")
		build := exec.Command("go", "build", "-o", bin, "./cmd/alcove")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			return stop, fmt.Errorf("building alcove: %w\n%s", err, out)
		}
	}
	target.token = strings.Repeat("Interop1", 8)
	cmd := exec.Command(bin, "serve", "--mqtt", "127.0.0.1:0", "--mqtts", "127.0.0.1:0",
		"--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "ALCOVE_OPERATOR_TOKEN="+target.token)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return stop, err
	}
	if err := cmd.Start(); err != nil {
		return stop, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "alcove: mqtt ") {
			continue
		}
		for _, m := range startLine.FindAllStringSubmatch(lines.Text(), -1) {
			scheme := strings.NewReplacer("http", "ws", "https", "wss").Replace(m[1])
			target.urls[scheme] = &url.URL{Scheme: scheme, Host: m[2]}
			if strings.HasPrefix(scheme, "ws") {
				target.urls[scheme].Path = "/any/path" // [EXT-WS-1]
			}
		}
		go func() {
			for lines.Scan() { // the broker must never block on its output
			}
		}()
		if len(target.urls) != 4 {
			return stop, fmt.Errorf("the start line names %d of 4 listeners: %s", len(target.urls), lines.Text())
		}
		return stop, nil
	}
	return stop, fmt.Errorf("the broker ended without a start line")
}

// fetchCertificate takes the certificate that the broker shows, which is
// self-signed, as the only one to trust.
func fetchCertificate(addr, file string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // only to read the certificate
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("reading the broker's certificate: %w", err)
	}
	defer conn.Close()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	target.roots = x509.NewCertPool()
	var all bytes.Buffer
	for _, cert := range chain {
		target.roots.AddCert(cert)
		if err := pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return err
		}
	}
	target.caPEM = file
	return os.WriteFile(file, all.Bytes(), 0o600)
}

// tlsConfig trusts the broker's certificate and checks its name.
func tlsConfig() *tls.Config { return &tls.Config{RootCAs: target.roots} }

var serial atomic.Int64

// unique returns a word that no other test and no other run uses, of at most 23
// letters and digits, so that it is a legal client id everywhere.
func unique(prefix string) string {
	return fmt.Sprintf("%.5s%x%x", prefix, time.Now().UnixNano()/1000&0xffffffffff, serial.Add(1))
}
