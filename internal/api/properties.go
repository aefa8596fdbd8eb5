package api

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/mqtt"
)

// userProperties are MQTT's, in order. In JSON they are an object of texts, or, where
// a name stands more than once, an array of [name, text] pairs; both are taken.
type userProperties [][2]string

var errUserProperties = fieldFault("user_properties", "must be an object of texts, or an array of [name, text] pairs")

// UnmarshalJSON reads either form and keeps the order.
func (u *userProperties) UnmarshalJSON(b []byte) error {
	*u = userProperties{}
	if b[0] == '[' {
		var pairs [][]string
		if json.Unmarshal(b, &pairs) != nil {
			return errUserProperties
		}
		for _, pair := range pairs {
			if len(pair) != 2 {
				return errUserProperties
			}
			*u = append(*u, [2]string(pair))
		}
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errUserProperties
	}
	for dec.More() {
		name, _ := dec.Token()
		value, _ := dec.Token()
		n, named := name.(string)
		v, text := value.(string)
		if !named || !text {
			return errUserProperties
		}
		*u = append(*u, [2]string{n, v})
	}
	return nil
}

// MarshalJSON writes an object, or pairs where a name is repeated.
func (u userProperties) MarshalJSON() ([]byte, error) {
	names := make(map[string]bool, len(u))
	for _, pair := range u {
		names[pair[0]] = true
	}
	if len(names) < len(u) {
		return json.Marshal([][2]string(u))
	}
	out := []byte{'{'}
	for i, pair := range u {
		if i > 0 {
			out = append(out, ',')
		}
		name, _ := json.Marshal(pair[0])
		value, _ := json.Marshal(pair[1])
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// Schema is that of both forms.
func (userProperties) Schema(huma.Registry) *huma.Schema {
	two := 2
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{
		Description: "In order; an array of pairs where a name is repeated",
		OneOf: []*huma.Schema{
			{Type: huma.TypeObject, AdditionalProperties: text},
			{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeArray, Items: text, MinItems: &two, MaxItems: &two}},
		},
	}
}

// encode makes the properties as they stand on the wire.
func (u userProperties) encode() (mqtt.UserProperties, error) {
	var out mqtt.UserProperties
	for _, pair := range u {
		for _, text := range pair {
			if err := checkField("user_properties", []byte(text)); err != nil {
				return nil, err
			}
		}
		out = mqtt.AppendUser(out, pair[0], pair[1])
	}
	return out, nil
}

// shownProperties is the inverse of encode.
func shownProperties(user mqtt.UserProperties) userProperties {
	var u userProperties
	for name, value := range user.All() {
		u = append(u, [2]string{string(name), string(value)})
	}
	return u
}
