package main

import (
	"strings"
	"testing"
)

func TestProperties(t *testing.T) {
	args, err := joinProperties(strings.Fields(
		"-t x -D connect session-expiry-interval 30 -D connect receive-maximum 5 -D connect maximum-packet-size 1000 " +
			"-D connect topic-alias-maximum 4 -D connect request-problem-information 0 -D connect user-property a b " +
			"-D publish content-type text -D publish user-property k v -D publish user-property k w -D publish topic-alias 3 " +
			"--property will will-delay-interval 9 -D will response-topic r -D subscribe subscription-identifier 12 " +
			"-D unsubscribe user-property u v -D disconnect session-expiry-interval 0 -D disconnect reason-string bye -m y"))
	if err != nil {
		t.Fatal(err)
	}
	if args[len(args)-2] != "-m" || args[0] != "-t" {
		t.Errorf("other arguments are changed: %q", args)
	}
	var p properties
	for i, a := range args {
		if a == "-D" {
			p.raw = append(p.raw, args[i+1])
		}
	}
	if err := p.parse(); err != nil {
		t.Fatal(err)
	}
	c := p.connect
	if c.SessionExpiry != 30 || !c.HasSessionExpiry || c.ReceiveMaximum != 5 || c.MaximumPacketSize != 1000 ||
		c.TopicAliasMaximum != 4 || c.RequestProblemInfo || c.User.Len() != 1 {
		t.Errorf("connect: %+v", c)
	}
	if string(p.publish.ContentType) != "text" || p.publish.User.Len() != 2 || p.publish.TopicAlias != 3 {
		t.Errorf("publish: %+v", p.publish)
	}
	if p.will.DelayInterval != 9 || string(p.will.Props.ResponseTopic) != "r" || p.subscribe.id != 12 ||
		p.unsub.Len() != 1 || !p.disconnect.HasSessionExpiry || string(p.disconnect.Reason) != "bye" {
		t.Errorf("%+v", p)
	}
}

func TestPropertiesRefused(t *testing.T) {
	for _, words := range []string{
		"connect", "connect receive-maximum", "publish user-property k",
		"connect receive-maximum 70000", "connect receive-maximum x", "publish payload-format-indicator 2",
		"publish session-expiry-interval 3", "connect content-type x", "ping x y", "unsubscribe content-type x",
		"subscribe subscription-identifier 268435456", "disconnect content-type x", "auth user-property a b",
	} {
		args, err := joinProperties(append([]string{"-D"}, strings.Fields(words)...))
		if err == nil {
			p := properties{raw: []string{args[1]}}
			err = p.parse()
		}
		if err == nil {
			t.Errorf("%s is accepted", words)
		}
	}
}
