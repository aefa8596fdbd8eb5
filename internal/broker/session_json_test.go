package broker

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestSessionJSON: the records of a session's life show it as REST does, whatever its
// fields hold; a field that is new here cannot be forgotten there.
func TestSessionJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var i SessionInfo
		v := reflect.ValueOf(&i).Elem()
		for n := range v.NumField() {
			name := v.Type().Field(n).Name
			switch f := v.Field(n); f.Kind() {
			case reflect.Bool:
				f.SetBool(rapid.Bool().Draw(rt, name))
			case reflect.String:
				f.SetString(rapid.String().Draw(rt, name))
			case reflect.Int, reflect.Int64:
				f.SetInt(rapid.Int64Range(0, 1<<62).Draw(rt, name))
			case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
				f.SetUint(uint64(rapid.Uint8().Draw(rt, name)))
			default:
				rt.Fatalf("%s is a %v", name, f.Kind())
			}
		}
		got := i.appendJSON(nil)
		var back SessionInfo
		if err := json.Unmarshal(got, &back); err != nil || back != i {
			rt.Fatalf("%s\n%+v\n%v", got, i, err)
		}
		var keys, want map[string]any
		doc, _ := json.Marshal(&i)
		if json.Unmarshal(doc, &want) != nil || json.Unmarshal(got, &keys) != nil || !reflect.DeepEqual(keys, want) {
			rt.Fatalf("%s\n%s", got, doc)
		}
	})
}
