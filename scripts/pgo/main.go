// Command pgo profiles the broker under the traffic that it is made for and merges what
// it finds into cmd/alcove/default.pgo, by which the compiler optimizes each build from
// then on. `make pgo` calls it. Two builds, with and without that file, are to be
// compared before it is kept: `go build -pgo=off` makes the one without.
//
// It hides how a broker is started, driven and ended for one profile. Its nouns: a drive
// (one scenario of `alcove bench` and how the broker listens for it). Invariants: each
// drive has a fresh broker without optimization by an older profile; all drives take
// the same time; the file is replaced as a whole or not at all.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	// token is the operator's key of the profiled broker.
	token = "ProfileProfileProfileProfileProfileProfileProfileProfileProfileP"
	// startTime bounds how long a broker may take until it listens, endTime until it has
	// ended, and driveTime what a drive takes beyond the time that it measures.
	startTime = 30 * time.Second
	endTime   = 30 * time.Second
	driveTime = 2 * time.Minute
	// mostBytes bounds the file: it is part of the repository and read by each build.
	mostBytes = 300 << 10
)

// drive is one scenario that is profiled, and the listener that it is driven by.
type drive struct{ scenario, listener string }

// drives are what brokers mostly do: both ends of fan-out, all of QoS 0 and 1, MQTT 5,
// an expression, a share group, thin traffic, TLS.
var drives = []drive{
	{"r13", "mqtt"}, {"pair", "mqtt"}, {"fan500", "mqtt"}, {"qos1-20", "mqtt"}, {"v5-pair", "mqtt"},
	{"filter-1", "mqtt"}, {"latency", "mqtt"}, {"shared", "mqtt"}, {"tls-pair", "mqtts"},
}

func main() {
	duration := flag.Duration("duration", 5*time.Second, "time that each scenario is measured")
	out := flag.String("out", "cmd/alcove/default.pgo", "file for the merged profile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *duration, *out); err != nil {
		fmt.Fprintln(os.Stderr, "pgo:", err)
		os.Exit(1)
	}
}

// run profiles all drives and merges the profiles.
func run(ctx context.Context, duration time.Duration, out string) error {
	dir, err := os.MkdirTemp("", "alcove-pgo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "alcove")
	// No older profile: functions that it had inlined would be missing from the new one.
	if text, err := exec.CommandContext(ctx, "go", "build", "-pgo=off", "-trimpath", "-o", bin, "./cmd/alcove").CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w\n%s", err, text)
	}
	merge := []string{"tool", "pprof", "-proto"}
	for _, d := range drives {
		profile := filepath.Join(dir, d.scenario+".pprof")
		if err := d.profile(ctx, bin, profile, duration); err != nil {
			return fmt.Errorf("%s: %w", d.scenario, err)
		}
		fmt.Println("profiled", d.scenario)
		merge = append(merge, profile)
	}
	pprof := exec.CommandContext(ctx, "go", merge...)
	pprof.Stderr = os.Stderr
	merged, err := pprof.Output()
	if err != nil {
		return fmt.Errorf("merging: %w", err)
	}
	if len(merged) > mostBytes {
		return fmt.Errorf("the merged profile has %d bytes, at most %d: take a shorter --duration", len(merged), mostBytes)
	}
	if err := os.WriteFile(out+".new", merged, 0o644); err != nil {
		return err
	}
	if err := os.Rename(out+".new", out); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes\n", out, len(merged))
	return nil
}

// profile runs one scenario against a fresh broker and leaves the broker's profile in a
// file.
func (d drive) profile(ctx context.Context, bin, profile string, duration time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, duration+driveTime)
	defer cancel()
	listen := map[string]string{"mqtt": "off", "mqtts": "off"}
	listen[d.listener] = "127.0.0.1:0"
	broker := exec.CommandContext(ctx, bin, "serve", "--mqtt", listen["mqtt"], "--mqtts", listen["mqtts"], "--http", "off", "--https", "off",
		"--data", profile+".data", "--cpuprofile", profile)
	broker.Env = append(os.Environ(), "ALCOVE_OPERATOR_TOKEN="+token)
	broker.Stderr = os.Stderr
	broker.Cancel = func() error { return broker.Process.Signal(syscall.SIGTERM) } // what it writes at its end is what is wanted
	broker.WaitDelay = endTime
	out, err := broker.StdoutPipe()
	if err != nil {
		return err
	}
	if err := broker.Start(); err != nil {
		return err
	}
	err = d.run(ctx, bin, out, duration)
	cancel()
	if ended := broker.Wait(); !errors.Is(ended, context.Canceled) {
		err = errors.Join(err, ended)
	}
	return err
}

// run waits until the broker listens and drives it.
func (d drive) run(ctx context.Context, bin string, out io.Reader, duration time.Duration) error {
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(out)
		for lines.Scan() { // to the end: nobody else reads what the broker prints
			if address := d.address(lines.Text()); address != "" {
				select {
				case found <- address:
				default:
				}
			}
		}
	}()
	select {
	case address, ok := <-found:
		if !ok {
			return errors.New("the broker has ended")
		}
		bench := exec.CommandContext(ctx, bin, "bench", d.scenario, "--url", d.listener+"://"+address, "--duration", duration.String(),
			"--insecure", "--quiet", "--token", token)
		if text, err := bench.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(text)))
		}
		return nil
	case <-time.After(startTime):
		return errors.New("the broker does not listen")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// address finds where the drive's listener is in a line that the broker prints at its
// start.
func (d drive) address(line string) string {
	found := regexp.MustCompile(`\b` + d.listener + ` (\S+:[0-9]+)`).FindStringSubmatch(line)
	if found == nil {
		return ""
	}
	return found[1]
}
