package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	yamlnode "go.yaml.in/yaml/v3"
)

// flagKeys are the settings that have a flag.
var flagKeys = []string{"data", "mqtt", "mqtts", "http", "https", "unix"}

// foreignEnv are variables with our prefix that are no settings: other commands and
// the test suites read them, or Kubernetes sets them for a service named alcove.
var foreignEnv = []string{
	"ALCOVE_PORT",
	"ALCOVE_CONFIG", "ALCOVE_TOKEN", "ALCOVE_URL", "ALCOVE_BIN", "ALCOVE_BINARY",
	"ALCOVE_MQTTS_URL", "ALCOVE_WS_URL", "ALCOVE_WSS_URL",
}

// foreignPrefixes begin more of them.
var foreignPrefixes = []string{"ALCOVE_TEST_", "ALCOVE_SERVICE_", "ALCOVE_PORT_"}

// foreign tells whether the variable is none of ours.
func foreign(name string) bool {
	return slices.Contains(foreignEnv, name) ||
		slices.ContainsFunc(foreignPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// origin is where the value of a key came from, and the value as it was given.
type origin struct {
	source string
	value  any
}

// configuration is the settings in force with their origins.
type configuration struct {
	settings
	origins map[string]origin
}

// addServeFlags declares the flags of serve and config.
func addServeFlags(f *pflag.FlagSet) {
	for _, name := range flagKeys {
		k := findKey(name)
		f.String(name, k.fallback, k.about)
	}
	f.String("config", "", "YAML file (default $ALCOVE_CONFIG)")
}

func findKey(name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

// load reads all sources: a flag comes before the environment, the environment before
// the file, the file before the default. Every fault is reported, each with its key.
func load(flags *pflag.FlagSet, environ []string) (*configuration, error) {
	c := &configuration{origins: make(map[string]origin)}
	var faults []error
	path, _ := flags.GetString("config")
	if path == "" {
		path = lookup(environ, "ALCOVE_CONFIG")
	}
	for _, k := range keys {
		c.origins[k.name] = origin{"default", k.fallback}
	}
	if path != "" {
		faults = append(faults, c.loadFile(path)...)
	}
	faults = append(faults, c.loadEnv(environ)...)
	if err := c.loadFlags(flags); err != nil {
		faults = append(faults, err)
	}
	for _, k := range keys {
		o := c.origins[k.name]
		if err := k.take(&c.settings, o.value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %s: %w", o.source, k.name, err))
		}
	}
	faults = append(faults, c.finish()...)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

func lookup(environ []string, name string) string {
	for _, pair := range environ {
		if k, v, _ := strings.Cut(pair, "="); k == name {
			return v
		}
	}
	return ""
}

// loadFile takes the keys of a YAML file.
func (c *configuration) loadFile(path string) (faults []error) {
	k := koanf.New(".")
	provider := file.Provider(path)
	raw, err := provider.ReadBytes()
	if err != nil {
		return []error{fmt.Errorf("configuration file: %w", err)}
	}
	values, err := yaml.Parser().Unmarshal(raw)
	if err != nil {
		return []error{fmt.Errorf("configuration file %s: %w", path, err)}
	}
	if err := k.Load(confmap.Provider(values, ""), nil); err != nil {
		return []error{fmt.Errorf("configuration file %s: %w", path, err)}
	}
	lines := yamlLines(raw)
	source := func(name string) string {
		if n := lines[name]; n > 0 {
			return "file " + path + " line " + strconv.Itoa(n)
		}
		return "file " + path
	}
	for _, name := range k.Keys() {
		if findKey(name) == nil {
			faults = append(faults, fmt.Errorf("%s: unknown key %q%s", source(name), name, suggestion(name)))
			continue
		}
		c.origins[name] = origin{source(name), k.Get(name)}
	}
	return faults
}

// yamlLines returns the line of each key of a YAML document.
func yamlLines(raw []byte) map[string]int {
	lines := make(map[string]int)
	var root yamlnode.Node
	if yamlnode.Unmarshal(raw, &root) != nil || len(root.Content) == 0 {
		return lines
	}
	var walk func(n *yamlnode.Node, prefix string)
	walk = func(n *yamlnode.Node, prefix string) {
		if n.Kind != yamlnode.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := prefix + n.Content[i].Value
			lines[name] = n.Content[i].Line
			walk(n.Content[i+1], name+".")
		}
	}
	walk(root.Content[0], "")
	return lines
}

// loadEnv takes the variables that begin with ALCOVE_.
func (c *configuration) loadEnv(environ []string) (faults []error) {
	k := koanf.New("\x00") // names are whole: nothing is split
	provider := env.Provider("\x00", env.Opt{
		Prefix:      "ALCOVE_",
		EnvironFunc: func() []string { return environ },
	})
	if err := k.Load(provider, nil); err != nil {
		return []error{fmt.Errorf("environment: %w", err)}
	}
	byEnv := make(map[string]string)
	for _, key := range keys {
		byEnv[key.env()] = key.name
	}
	for _, name := range k.Keys() {
		if foreign(name) {
			continue
		}
		known, ok := byEnv[name]
		if !ok {
			plain := strings.ToLower(strings.TrimPrefix(name, "ALCOVE_"))
			faults = append(faults, fmt.Errorf("environment: unknown key %s%s", name, suggestion(plain)))
			continue
		}
		c.origins[known] = origin{"environment " + name, k.String(name)}
	}
	return faults
}

// loadFlags takes the flags that were given.
func (c *configuration) loadFlags(flags *pflag.FlagSet) error {
	k := koanf.New(".")
	if err := k.Load(posflag.Provider(flags, ".", nil), nil); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	for _, name := range flagKeys {
		if flags.Changed(name) {
			c.origins[name] = origin{"flag --" + name, k.String(name)}
		}
	}
	return nil
}

// finish checks what concerns several keys and passes values on.
func (c *configuration) finish() (faults []error) {
	s := &c.settings
	if (s.tls.cert == "") != (s.tls.key == "") {
		faults = append(faults, fmt.Errorf("tls.cert and tls.key: one needs the other"))
	}
	if s.tls.cert != "" && s.tls.key != "" {
		s.server.TLS.Certificates = slices.Insert(s.server.TLS.Certificates, 0,
			struct{ Cert, Key string }{s.tls.cert, s.tls.key})
	}
	if s.data == "" {
		faults = append(faults, fmt.Errorf("%s: data: must not be empty", c.origins["data"].source))
	}
	return faults
}

// suggestion names the known key that is nearest to a misspelt one.
func suggestion(name string) string {
	best, distance := "", 4
	for _, k := range keys {
		if d := editDistance(name, k.name); d < distance {
			best, distance = k.name, d
		}
		if short := k.name[strings.LastIndexByte(k.name, '.')+1:]; short != k.name && short == name {
			return fmt.Sprintf(" (did you mean %s?)", k.name)
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// editDistance counts the letters to insert, delete or change that make a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func newConfig() *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting in force and where it came from",
		Long: "Prints every setting, the value in force and where it came from: a flag, the\n" +
			"environment, the file, or the default, in this order of precedence.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, k := range keys {
				o := c.origins[k.name]
				line := k.name + "\t" + k.show(o.value) + "\t" + o.source
				if explain {
					line += "\t" + k.about
				}
				fmt.Fprintln(w, line)
			}
			return w.Flush()
		},
	}
	addServeFlags(cmd.Flags())
	cmd.Flags().BoolVar(&explain, "explain", false, "say what each setting means")
	return cmd
}

// show returns a value for people; a secret is masked.
func (k key) show(v any) string {
	var out string
	switch v := v.(type) {
	case []any:
		var items []string
		for _, item := range v {
			if m, ok := item.(map[string]any); ok {
				items = append(items, fmt.Sprint(m["cert"], ":", m["key"]))
				continue
			}
			items = append(items, fmt.Sprint(item))
		}
		out = strings.Join(items, ",")
	default:
		out, _ = scalar(v)
	}
	switch {
	case out == "":
		return "-"
	case k.secret:
		return "********"
	}
	return out
}
