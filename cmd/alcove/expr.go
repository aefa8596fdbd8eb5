package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/expr"
)

// The exit codes of `alcove expr`; 0: the input passes.
const (
	exitFails = 1 // it does not
	exitFault = 2 // the expression, the input or the command line is wrong
)

// trial holds the options of `alcove expr`.
type trial struct {
	input     string
	message   bool
	functions bool
}

func newExpr() *cobra.Command {
	var o trial
	cmd := &cobra.Command{
		Use:   "expr expression",
		Short: "Try an expression as $filter takes it",
		Long: "Evaluates an expression over a JSON payload, or with --message over a whole message, and prints\n" +
			"its value and whether it passes. Exit code 0: it passes, 1: it does not, 2: an error.\n" +
			"An expression that begins with a dash comes after --.",
		Example: "  alcove expr 'speed > 80' --input '{\"speed\":81}'\n" +
			"  alcove expr 'len(list) == 0' --input @payload.json\n" +
			"  alcove expr \"word(topic, 1) == 'door'\" --message --input '{\"topic\":\"house/door\",\"payload\":\"open\"}'\n" +
			"  alcove expr --functions",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case o.functions && len(args) > 0:
				return &exitError{exitFault, errors.New("--functions takes no expression")}
			case !o.functions && len(args) != 1:
				return &exitError{exitFault, fmt.Errorf("one expression is needed, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.functions {
				return printFunctions(cmd.OutOrStdout())
			}
			return o.run(cmd, args[0])
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitFault, err} })
	f := cmd.Flags()
	f.StringVarP(&o.input, "input", "i", "", "what to look at: JSON, or @file (default: the standard input, {} where that is empty)")
	f.BoolVar(&o.message, "message", false, "the input is a message: topic, payload, cid, timestamp, qos, retain, user_properties")
	f.BoolVar(&o.functions, "functions", false, "list the functions")
	return cmd
}

func printFunctions(w io.Writer) error {
	t := screen.NewTable(w, "FUNCTION", "VALUE")
	t.Columns = 0 // all of it, on a narrow terminal too
	for _, f := range expr.Functions() {
		t.Row(f.Signature, f.Doc)
	}
	return t.Flush()
}

// run evaluates the expression and prints what comes of it.
func (o *trial) run(cmd *cobra.Command, source string) error {
	program, err := expr.Compile(source)
	if err != nil {
		return &exitError{exitFault, pointAt(source, err)}
	}
	var in expr.Input
	if err := o.take(cmd, &in); err != nil {
		return &exitError{exitFault, err}
	}
	value, defined := program.Eval(&in)
	text, verdict := "undefined", "does not pass"
	if defined {
		text = string(value.JSON())
		if value.Passes() {
			verdict = "passes"
		}
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", text, verdict); err != nil {
		return &exitError{exitFault, err}
	}
	if !defined || !value.Passes() {
		return &exitError{code: exitFails}
	}
	return nil
}

// take reads the input.
func (o *trial) take(cmd *cobra.Command, in *expr.Input) error {
	text, err := o.read(cmd)
	if err != nil {
		return err
	}
	now := float64(time.Now().UnixMicro()) / 1e6
	if o.message {
		m, err := readMessage(text, now)
		if err != nil {
			return fmt.Errorf("message: %w", err)
		}
		in.SetMessage(m, now)
		return nil
	}
	if !in.SetJSON(text, now) {
		return fmt.Errorf("the input is not JSON, or deeper than %d levels: nothing passes", expr.MaxJSONDepth)
	}
	return nil
}

func (o *trial) read(cmd *cobra.Command) ([]byte, error) {
	if cmd.Flags().Changed("input") {
		if path, ok := strings.CutPrefix(o.input, "@"); ok {
			return os.ReadFile(path)
		}
		return []byte(o.input), nil
	}
	text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), expr.MaxPayload+1))
	if len(text) == 0 {
		text = []byte("{}")
	}
	return text, err
}

// readMessage reads a message from JSON. The payload is a string, or any other JSON,
// which then is the payload's text.
func readMessage(text []byte, now float64) (*expr.Message, error) {
	form := struct {
		Topic     string          `json:"topic"`
		Payload   json.RawMessage `json:"payload"`
		CID       int64           `json:"cid"`
		Timestamp float64         `json:"timestamp"`
		QoS       uint8           `json:"qos"`
		Retain    bool            `json:"retain"`
		User      userPairs       `json:"user_properties"`
	}{Timestamp: now}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		return nil, err
	}
	payload := string(form.Payload)
	if len(payload) > 0 && payload[0] == '"' {
		if err := json.Unmarshal(form.Payload, &payload); err != nil {
			return nil, err
		}
	}
	return &expr.Message{
		Topic: []byte(form.Topic), Payload: []byte(payload), CID: form.CID, Timestamp: form.Timestamp,
		QoS: form.QoS, Retain: form.Retain, User: form.User,
	}, nil
}

// userPairs reads user properties from an object, or from an array of pairs, in which
// a key may be repeated.
type userPairs [][2][]byte

func (u *userPairs) UnmarshalJSON(text []byte) error {
	var pairs [][2]string
	if text[0] == '{' {
		var object map[string]string
		if err := json.Unmarshal(text, &object); err != nil {
			return err
		}
		for key, value := range object {
			pairs = append(pairs, [2]string{key, value})
		}
	} else if err := json.Unmarshal(text, &pairs); err != nil {
		return err
	}
	for _, p := range pairs {
		*u = append(*u, [2][]byte{[]byte(p[0]), []byte(p[1])})
	}
	return nil
}

// pointAt adds the source to the error of a compilation, with a caret below the column.
func pointAt(source string, err error) error {
	e, ok := errors.AsType[*expr.Error](err)
	if !ok {
		return err
	}
	const around = 60 // characters shown on either side
	line := func(s string) string {
		return strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(s, " "))
	}
	before, after := []rune(line(source[:e.Column-1])), []rune(line(source[e.Column-1:]))
	if len(before) > around {
		before = append([]rune("..."), before[len(before)-around:]...)
	}
	if len(after) > around {
		after = append(after[:around:around], []rune("...")...)
	}
	shown := string(before) + string(after)
	return fmt.Errorf("expression: %w\n  %s\n  %*s", e, shown, utf8.RuneCountInString(string(before))+1, "^")
}
