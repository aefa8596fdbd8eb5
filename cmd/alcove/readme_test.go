package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// tourLines returns the commands of the README's tour.
func tourLines(t *testing.T) []string {
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tour, ok := strings.Cut(string(raw), "\n## Five minutes\n")
	tour, _, ok2 := strings.Cut(tour, "\n## ")
	if !ok || !ok2 {
		t.Fatal("the README has no tour")
	}
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(tour, -1) {
		for line := range strings.Lines(block[1]) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// wrapper stands for the program on the tour: it adds the free port that the test's
// broker has where the tour means the usual one.
const wrapper = `#!/bin/sh
cmd=$1
shift
case $cmd in
pub|sub) exec "$REAL" $cmd -h 127.0.0.1 -p $MQTT "$@" ;;
account|token) exec "$REAL" $cmd --url http://127.0.0.1:$HTTP "$@" ;;
bench) exec "$REAL" $cmd --url mqtt://127.0.0.1:$MQTT --quiet "$@" ;;
esac
exec "$REAL" $cmd "$@"
`

// TestReadmeTour runs every command of the README's tour.
func TestReadmeTour(t *testing.T) {
	dir := t.TempDir()
	real, err := exec.LookPath("alcove") // put on the path by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	ports := startForTour(t, real, dir)
	if err := os.Mkdir(dir+"/bin", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/bin/alcove", []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	var script bytes.Buffer
	lines := tourLines(t)
	for i, line := range lines {
		switch {
		case line == "make build" || strings.HasPrefix(line, "export PATH="):
			continue // the wrapper stands for it
		case missing(line):
			t.Logf("skipped, not installed here: %s", line)
			continue
		}
		line = strings.ReplaceAll(line, "-p 8883", "-p $MQTTS")
		line = strings.ReplaceAll(line, "--ws ", "--ws -p $HTTP ")
		line = strings.ReplaceAll(line, "localhost:8080", "127.0.0.1:$HTTP")
		line = strings.ReplaceAll(line, "mosquitto_sub ", "mosquitto_sub -p $MQTT ")
		fmt.Fprintf(&script, "%s\necho \"@@ %d $?\"\n", line, i)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), ports...), "REAL="+real, "PATH="+dir+"/bin:"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkTour(t, lines, string(out))
}

// missing reports whether a command of the line is not installed.
func missing(line string) bool {
	for _, tool := range []string{"mosquitto_sub", "curl"} {
		if strings.HasPrefix(line, tool+" ") {
			_, err := exec.LookPath(tool)
			return err != nil
		}
	}
	return false
}

// checkTour compares exit codes with those that the tour tells, 0 where it tells none.
func checkTour(t *testing.T, lines []string, out string) {
	told := regexp.MustCompile(`# .*exit code (\d+)$`)
	for _, m := range regexp.MustCompile(`(?m)^@@ (\d+) (\d+)$`).FindAllStringSubmatch(out, -1) {
		i, _ := strconv.Atoi(m[1])
		want := "0"
		if w := told.FindStringSubmatch(lines[i]); w != nil {
			want = w[1]
		}
		if m[2] != want {
			t.Errorf("%s\nends with %s, want %s; the whole output:\n%s", lines[i], m[2], want, out)
		}
	}
	for _, part := range []string{"greeting hello, world", "door/1 open", "news/today while you were away",
		`"response-topic":"job/done"`, `"priority":"high"`, "door sensor", `"info":"operator"`, "pair"} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in the output:\n%s", part, out)
		}
	}
}

// startForTour runs a broker with its data where the tour has it, and returns its
// ports as variables.
func startForTour(t *testing.T, real, dir string) []string {
	cmd := exec.Command(real, "serve", "--mqtt", "127.0.0.1:0", "--mqtts", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "off")
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := gather(out)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		said.line("\x00")
		if err := cmd.Wait(); err != nil {
			t.Errorf("the broker ended with %v", err)
		}
	})
	line, ok := said.line("alcove: ")
	if !ok {
		t.Fatalf("the broker did not start: %s", line)
	}
	var vars []string
	for _, m := range regexp.MustCompile(`(mqtts?|https?) \S+:(\d+)`).FindAllStringSubmatch(line, -1) {
		vars = append(vars, strings.ToUpper(m[1])+"="+m[2])
	}
	if _, err := os.Stat(filepath.Join(dir, "alcove-data", tokenFile)); err != nil {
		t.Error(err)
	}
	return vars
}
