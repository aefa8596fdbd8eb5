package main

import (
	"os"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for line, want := range map[string][2]string{
		"alcove: mqtt 127.0.0.1:32995  mqtts 127.0.0.1:43127  data d": {"127.0.0.1:32995", "127.0.0.1:43127"},
		"alcove: mqtts [::1]:8883  data d":                            {"", "[::1]:8883"},
		"operator token: mqtt":                                        {},
	} {
		if got := [2]string{(drive{"", "mqtt"}).address(line), (drive{"", "mqtts"}).address(line)}; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestDrivesAreScenarios(t *testing.T) {
	source, err := os.ReadFile("../../cmd/alcove/internal/bench/scenario.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range drives {
		if !strings.Contains(string(source), `{Name: "`+d.scenario+`",`) {
			t.Errorf("the driver has no scenario %s", d.scenario)
		}
	}
}
