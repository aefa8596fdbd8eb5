package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"alcove/internal/server"
)

// scalar returns a value that is not a list or a map as text.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	case []any, []string, map[string]any, map[any]any:
		return "", fmt.Errorf("must be a single value")
	}
	return fmt.Sprint(v), nil
}

// list returns a value as a list: commas separate its items in text.
func list(v any) ([]string, error) {
	var out []string
	switch v := v.(type) {
	case []string:
		return v, nil
	case []any:
		for _, item := range v {
			s, err := scalar(item)
			if err != nil {
				return nil, fmt.Errorf("must be a list of single values")
			}
			out = append(out, s)
		}
		return out, nil
	}
	s, err := scalar(v)
	if err != nil {
		return nil, fmt.Errorf("must be a list")
	}
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out, nil
}

func text(field func(*settings) *string) func(*settings, any) error {
	return func(s *settings, v any) (err error) {
		*field(s), err = scalar(v)
		return err
	}
}

// listener takes where to listen: host:port, where the host may be empty (all
// addresses) and the port 0 (a free one), or off.
func listener(field func(*settings) *string) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		if t == server.Off || t == "" { // empty: the default
			*field(s) = t
			return nil
		}
		_, port, err := net.SplitHostPort(t)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil || port == "" {
			return fmt.Errorf("%q is not host:port or off", t)
		}
		*field(s) = t
		return nil
	}
}

// takeOperatorToken takes the key of the operator's token, or nothing. The
// error does not show it.
func takeOperatorToken(s *settings, v any) error {
	t, err := scalar(v)
	if err != nil {
		return err
	}
	good := len(t) == 64
	for _, c := range t {
		good = good && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	if t != "" && !good {
		return errors.New("must be 64 letters (A-Z, a-z) and digits")
	}
	s.auth.OperatorToken = t
	return nil
}

func texts(field func(*settings) *[]string) func(*settings, any) error {
	return func(s *settings, v any) (err error) {
		*field(s), err = list(v)
		return err
	}
}

// takeCORSOrigins takes origins as browsers write them, or * for any.
func takeCORSOrigins(s *settings, v any) error {
	items, err := list(v)
	if err != nil {
		return err
	}
	s.rest.origins = nil
	for _, item := range items {
		u, err := url.Parse(item)
		switch {
		case item == "*" && len(items) == 1:
			return nil
		case err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != item:
			return fmt.Errorf("%q is not an origin such as https://board.example:8443, or * alone", item)
		}
		s.rest.origins = append(s.rest.origins, item)
	}
	if len(s.rest.origins) == 0 {
		return errors.New("needs an origin, or * for any")
	}
	return nil
}

// webURL takes an http or https URL without a slash at its end, or nothing.
func webURL(field func(*settings) *string) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		u, err := url.Parse(t)
		if t != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
			return fmt.Errorf("%q is not a URL such as https://broker.example", t)
		}
		*field(s) = strings.TrimSuffix(t, "/")
		return nil
	}
}

// address takes host:port, both of them, or nothing.
func address(field func(*settings) *string) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		if t != "" {
			host, port, err := net.SplitHostPort(t)
			if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || host == "" || n == 0 {
				return fmt.Errorf("%q is not host:port", t)
			}
		}
		*field(s) = t
		return nil
	}
}

func oneOf(words []string, field func(*settings) *string) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		for _, w := range words {
			if strings.EqualFold(t, w) {
				*field(s) = w
				return nil
			}
		}
		return fmt.Errorf("%q is not %s", t, strings.Join(words, " or "))
	}
}

func whole(low, high int64, set func(*settings, int64)) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is not a whole number from %d to %d", t, low, high)
		}
		set(s, n)
		return nil
	}
}

func truth(set func(*settings, bool)) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		switch strings.ToLower(t) {
		case "true", "yes", "on", "1":
			set(s, true)
		case "false", "no", "off", "0":
			set(s, false)
		default:
			return fmt.Errorf("%q is not true or false", t)
		}
		return nil
	}
}

func span(low, high time.Duration, set func(*settings, time.Duration)) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		d, err := time.ParseDuration(t)
		if n, numErr := strconv.ParseFloat(t, 64); numErr == nil {
			d, err = time.Duration(n*float64(time.Second)), nil // seconds
		}
		if err != nil || d < low || d > high {
			return fmt.Errorf("%q is not a duration from %v to %v, such as 10s", t, low, high)
		}
		set(s, d)
		return nil
	}
}

func size(low, high int64, set func(*settings, int64)) func(*settings, any) error {
	return func(s *settings, v any) error {
		t, err := scalar(v)
		if err != nil {
			return err
		}
		digits, unit := strings.ToLower(t), int64(1)
		for _, u := range units {
			if rest, ok := strings.CutSuffix(digits, u.name); ok {
				digits, unit = strings.TrimSpace(rest), u.n
				break
			}
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > high/unit || n*unit < low {
			return fmt.Errorf("%q is not a number of bytes from %d to %d, such as 16MiB", t, low, high)
		}
		set(s, n*unit)
		return nil
	}
}
