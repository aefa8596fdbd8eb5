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

// A tour is a text whose commands, those in blocks marked "sh", are run as written.
// Lines after a command that begin with "#> " are what it prints, the whole of it; "…"
// stands for anything within a line. "# … exit code 27" tells how it ends.
type tour struct {
	file     string
	sections []string // by their headings; none: the whole file
	wants    []string // further parts of the whole output
}

var tours = map[string]tour{
	"readme": {
		file: "../../README.md", sections: []string{"Five minutes", "More than MQTT", "MQTT as a service"},
		wants: []string{"greeting hello, world", "door/1 open", "news/today while you were away",
			`"response-topic":"job/done"`, `"priority":"high"`, "door sensor", `"info":"operator"`, "pair"},
	},
	"dialect": {file: "../../docs/dialect.md"},
	"cli":     {file: "../../docs/cli.md"},
	"rest":    {file: "../../docs/rest.md"},
}

// step is a command of a tour.
type step struct {
	line  string
	exit  string
	shows []string // the lines that it prints, if they are told
}

// output is a pattern of what the step prints.
func (s *step) output() *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(strings.Join(s.shows, "\n")), "…", ".*") + "$")
}

var tells = regexp.MustCompile(`# .*exit code (\d+)$`)

// steps reads the commands of the tour.
func (o *tour) steps(t *testing.T) (steps []step) {
	raw, err := os.ReadFile(o.file)
	if err != nil {
		t.Fatal(err)
	}
	text := "\n" + string(raw)
	if len(o.sections) > 0 {
		all := text
		text = ""
		for _, heading := range o.sections {
			_, section, ok := strings.Cut(all, "\n## "+heading+"\n")
			if !ok {
				t.Fatalf("%s has no section %q", o.file, heading)
			}
			section, _, _ = strings.Cut(section, "\n## ")
			text += section
		}
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSpace(line)
			shown, isOutput := strings.CutPrefix(line, "#> ")
			switch {
			case isOutput && len(steps) == 0:
				t.Fatalf("%s: output before the first command: %s", o.file, line)
			case isOutput:
				last := &steps[len(steps)-1]
				last.shows = append(last.shows, shown)
			case line == "" || strings.HasPrefix(line, "# "):
			default:
				s := step{line: line, exit: "0"}
				if told := tells.FindStringSubmatch(line); told != nil {
					s.exit = told[1]
				}
				steps = append(steps, s)
			}
		}
	}
	if len(steps) == 0 {
		t.Fatalf("%s has no commands", o.file)
	}
	return steps
}

// wrapper stands for the program on a tour: it adds the free port that the test's
// broker has where the tour means the usual one.
const wrapper = `#!/bin/sh
cmd=$1
shift
case $cmd in
pub|sub) exec "$REAL" $cmd -h 127.0.0.1 -p $MQTT "$@" ;;
account|token|limit|session|retained|log) exec "$REAL" $cmd --url http://127.0.0.1:$HTTP "$@" ;;
bench) exec "$REAL" $cmd --url mqtt://127.0.0.1:$MQTT --quiet "$@" ;;
esac
exec "$REAL" $cmd "$@"
`

// TestTours runs every command of the README's tour and of the reference of the
// dialect, and compares what they print and how they end with what is told there.
func TestTours(t *testing.T) {
	for name, o := range tours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := o.steps(t)
			checkTour(t, steps, o.wants, runTour(t, steps))
		})
	}
}

// runTour runs the steps in one shell. Behind each of them the output has a line
// "@@ number exit-code".
func runTour(t *testing.T, steps []step) string {
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
	usual := strings.NewReplacer("-p 8883", "-p "+ports["MQTTS"], "--ws ", "--ws -p "+ports["HTTP"]+" ",
		"localhost:8080", "127.0.0.1:"+ports["HTTP"], "mosquitto_sub ", "mosquitto_sub -p "+ports["MQTT"]+" ",
		"sleep 2", "sleep "+pause)
	var script bytes.Buffer
	for i, s := range steps {
		switch {
		case s.line == "make build" || strings.HasPrefix(s.line, "export PATH="):
			continue // the wrapper stands for it
		case missing(s.line):
			t.Logf("skipped, not installed here: %s", s.line)
			continue
		}
		fmt.Fprintf(&script, "%s\nprintf '\\n@@ %%d %%d\\n' %d $?\n", usual.Replace(s.line), i)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REAL="+real, "PATH="+dir+"/bin:"+os.Getenv("PATH"), "MQTT="+ports["MQTT"], "HTTP="+ports["HTTP"])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
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

// checkTour compares what the steps print and their exit codes with what the tour
// tells of them.
func checkTour(t *testing.T, steps []step, wants []string, out string) {
	from := 0
	for _, m := range regexp.MustCompile(`(?m)^@@ (\d+) (\d+)$`).FindAllStringSubmatchIndex(out, -1) {
		printed := strings.TrimSpace(out[from:m[0]])
		from = m[1]
		i, _ := strconv.Atoi(out[m[2]:m[3]])
		s := &steps[i]
		if exit := out[m[4]:m[5]]; exit != s.exit {
			t.Errorf("%s\nends with %s, want %s; it prints:\n%s", s.line, exit, s.exit, printed)
		}
		if len(s.shows) > 0 && !s.output().MatchString(printed) {
			t.Errorf("%s\nprints:\n%s\nwant:\n%s", s.line, printed, strings.Join(s.shows, "\n"))
		}
	}
	if from == 0 {
		t.Errorf("nothing was run:\n%s", out)
	}
	for _, part := range wants {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in the output:\n%s", part, out)
		}
	}
}

// startForTour runs a broker with its data where the tour has it, and returns its
// ports by the names of its listeners in capitals.
func startForTour(t *testing.T, real, dir string) map[string]string {
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
	ports := make(map[string]string)
	for _, m := range regexp.MustCompile(`(mqtts?|https?) \S+:(\d+)`).FindAllStringSubmatch(line, -1) {
		ports[strings.ToUpper(m[1])] = m[2]
	}
	if _, err := os.Stat(filepath.Join(dir, "alcove-data", tokenFile)); err != nil {
		t.Error(err)
	}
	return ports
}
