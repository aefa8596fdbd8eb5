package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"alcove/internal/client"
)

// restOptions say which broker's REST interface to ask, and as whom.
type restOptions struct {
	url, token, data string
	account          int64
	json             bool
	tls              client.TLSFiles
}

// restTimeout bounds one request, maxAnswer what is read of its answer.
const (
	restTimeout = 30 * time.Second
	maxAnswer   = 64 << 20
)

func (o *restOptions) addFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "the broker's REST interface (or $ALCOVE_URL)")
	f.StringVar(&o.token, "token", "", "token (default $ALCOVE_TOKEN, else the data directory's operator.token)")
	f.StringVar(&o.data, "data", "./alcove-data", "the broker's data directory, for its operator.token")
	f.Int64Var(&o.account, "cid", 0, "act in this account below one's own")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.tls.CAFile, "cafile", "", "certificates to trust, PEM")
	f.BoolVar(&o.tls.Insecure, "insecure", false, "do not verify the broker's certificate")
}

// key returns the token to present.
func (o *restOptions) key() (string, error) {
	if o.token != "" {
		return o.token, nil
	}
	if env := os.Getenv("ALCOVE_TOKEN"); env != "" {
		return env, nil
	}
	path := filepath.Join(o.data, tokenFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("no token: give --token or ALCOVE_TOKEN, or the broker's --data (%w)", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// restFault is an entry of an answer's errors.
type restFault struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
	ID     int64  `json:"id"`
}

func (f restFault) Error() string {
	if f.ID != 0 {
		return fmt.Sprintf("%s (id %d, code %d)", f.Reason, f.ID, f.Code)
	}
	return fmt.Sprintf("%s (code %d)", f.Reason, f.Code)
}

// call sends a request and decodes the result, a list, into result. Where some items
// failed and others did not, result is filled and an error is returned.
func (o *restOptions) call(ctx context.Context, method, path string, body, result any) error {
	key, err := o.key()
	if err != nil {
		return err
	}
	base := o.url
	if env := os.Getenv("ALCOVE_URL"); env != "" && strings.HasPrefix(env, "http") && o.url == "http://127.0.0.1:8080" {
		base = env
	}
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+path, content)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	if o.account != 0 {
		req.Header.Set("x-flespi-cid", strconv.FormatInt(o.account, 10))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	cfg, err := o.tls.Config()
	if err != nil {
		return err
	}
	return exchange(req, cfg, result)
}

func exchange(req *http.Request, cfg *tls.Config, result any) error {
	transport := &http.Transport{TLSClientConfig: cfg, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Errors []restFault     `json:"errors"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("HTTP %s: the answer is not the broker's", resp.Status)
	}
	if len(answer.Result) > 0 && result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			return fmt.Errorf("HTTP %s: %w", resp.Status, err)
		}
	}
	var faults []error
	for _, f := range answer.Errors {
		faults = append(faults, f)
	}
	if len(faults) == 0 && resp.StatusCode >= 300 {
		return fmt.Errorf("HTTP %s", resp.Status)
	}
	return errors.Join(faults...)
}

// printJSON writes a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printTable writes rows under a heading.
func printTable(w io.Writer, heading string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	for _, row := range rows {
		for i := range row {
			row[i] = strings.Join(strings.Fields(escapeControls(row[i])), " ")
			if row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// moment writes UNIX seconds as a date; nothing for 0.
func moment(unix int64) string {
	if unix == 0 {
		return ""
	}
	return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05Z")
}
