package main

import (
	"fmt"
	"strconv"
	"strings"

	"alcove/internal/mqtt"
)

// properties are the MQTT 5 properties given by -D, by packet.
type properties struct {
	raw        []string // packet, property and value(s), separated by propertySep
	connect    mqtt.ConnectProps
	publish    mqtt.PublishProps
	will       mqtt.Will
	subscribe  subscribeProperties
	unsub      mqtt.UserProperties
	disconnect mqtt.Disconnect
}

type subscribeProperties struct {
	id   uint32
	user mqtt.UserProperties
}

// propertySep stands between the words of one -D option once they are one argument.
const propertySep = "\x1f"

// joinProperties makes one argument of the three (or four, for a user property) words
// that follow -D.
func joinProperties(args []string) ([]string, error) {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] != "-D" && args[i] != "--property" {
			out = append(out, args[i])
			continue
		}
		n := 3
		if i+2 < len(args) && args[i+2] == "user-property" {
			n = 4
		}
		if i+n >= len(args) {
			return nil, fmt.Errorf("%s needs a packet, a property and its value", args[i])
		}
		out = append(out, "-D", strings.Join(args[i+1:i+1+n], propertySep))
		i += n
	}
	return out, nil
}

// parse sorts the properties into their packets.
func (p *properties) parse() error {
	p.connect = mqtt.NewConnectProps()
	for _, raw := range p.raw {
		words := strings.Split(raw, propertySep)
		if len(words) < 3 {
			return fmt.Errorf("-D %s: a packet, a property and its value are needed", strings.Join(words, " "))
		}
		if err := p.set(words[0], words[1], words[2:]); err != nil {
			return fmt.Errorf("-D %s %s: %w", words[0], words[1], err)
		}
	}
	return nil
}

func (p *properties) set(packet, name string, values []string) error {
	v := value{text: values[0]}
	if name == "user-property" {
		if len(values) != 2 {
			return fmt.Errorf("a key and a value are needed")
		}
		u, err := p.user(packet)
		if err == nil {
			*u = mqtt.AppendUser(*u, values[0], values[1])
		}
		return err
	}
	known := true
	switch packet {
	case "connect":
		known = setConnect(&p.connect, name, &v)
	case "publish":
		known = name == "topic-alias" || setMessage(&p.publish, name, &v)
		if name == "topic-alias" {
			p.publish.TopicAlias, p.publish.HasTopicAlias = uint16(v.number(65535)), true
		}
	case "will":
		known = name == "will-delay-interval" || setMessage(&p.will.Props, name, &v)
		if name == "will-delay-interval" {
			p.will.DelayInterval = uint32(v.number(0xFFFFFFFF))
		}
	case "subscribe":
		known = name == "subscription-identifier"
		if known {
			p.subscribe.id = uint32(v.number(mqtt.MaxSubscriptionID))
		}
	case "disconnect":
		known = setDisconnect(&p.disconnect, name, &v)
	case "unsubscribe":
		known = false
	default:
		return fmt.Errorf("the packet is not connect, publish, will, subscribe, unsubscribe or disconnect")
	}
	if !known {
		return fmt.Errorf("%s has no such property", strings.ToUpper(packet))
	}
	return v.err
}

// user returns the User Properties of a packet.
func (p *properties) user(packet string) (*mqtt.UserProperties, error) {
	switch packet {
	case "connect":
		return &p.connect.User, nil
	case "publish":
		return &p.publish.User, nil
	case "will":
		return &p.will.Props.User, nil
	case "subscribe":
		return &p.subscribe.user, nil
	case "unsubscribe":
		return &p.unsub, nil
	case "disconnect":
		return &p.disconnect.User, nil
	}
	return nil, fmt.Errorf("the packet is not connect, publish, will, subscribe, unsubscribe or disconnect")
}

// value is the text of a property with the first error in reading it.
type value struct {
	text string
	err  error
}

func (v *value) number(limit uint64) uint64 {
	n, err := strconv.ParseUint(v.text, 10, 64)
	if err != nil || n > limit {
		v.err = fmt.Errorf("%q is not a number up to %d", v.text, limit)
	}
	return n
}

func (v *value) flag() bool { return v.number(1) == 1 }

func setConnect(p *mqtt.ConnectProps, name string, v *value) bool {
	switch name {
	case "session-expiry-interval":
		p.SessionExpiry, p.HasSessionExpiry = uint32(v.number(0xFFFFFFFF)), true
	case "receive-maximum":
		p.ReceiveMaximum = uint16(v.number(65535))
	case "maximum-packet-size":
		p.MaximumPacketSize = uint32(v.number(0xFFFFFFFF))
	case "topic-alias-maximum":
		p.TopicAliasMaximum = uint16(v.number(65535))
	case "request-response-information":
		p.RequestResponseInfo = v.flag()
	case "request-problem-information":
		p.RequestProblemInfo = v.flag()
	case "authentication-method":
		p.AuthMethod, p.HasAuthMethod = []byte(v.text), true
	case "authentication-data":
		p.AuthData, p.HasAuthData = []byte(v.text), true
	default:
		return false
	}
	return true
}

func setMessage(p *mqtt.PublishProps, name string, v *value) bool {
	switch name {
	case "payload-format-indicator":
		p.PayloadFormat, p.HasPayloadFormat = byte(v.number(1)), true
	case "message-expiry-interval":
		p.MessageExpiry, p.HasMessageExpiry = uint32(v.number(0xFFFFFFFF)), true
	case "content-type":
		p.ContentType, p.HasContentType = []byte(v.text), true
	case "response-topic":
		p.ResponseTopic, p.HasResponseTopic = []byte(v.text), true
	case "correlation-data":
		p.CorrelationData, p.HasCorrelationData = []byte(v.text), true
	default:
		return false
	}
	return true
}

func setDisconnect(d *mqtt.Disconnect, name string, v *value) bool {
	switch name {
	case "session-expiry-interval":
		d.SessionExpiry, d.HasSessionExpiry = uint32(v.number(0xFFFFFFFF)), true
	case "reason-string":
		d.Reason = []byte(v.text)
	default:
		return false
	}
	return true
}
