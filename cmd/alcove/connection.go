package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// connection holds the options that pub and sub share: those of mosquitto's tools.
type connection struct {
	network  networkOptions
	identity identityOptions
	will     willOptions
	tls      client.TLSFiles
	osCerts  bool
	props    properties
	version  string
	keep     int
	persist  bool
	expiry   string
	debug    bool
	quiet    bool

	errOut io.Writer
	topic  string // from the URL
}

type networkOptions struct {
	host, bind, unix, url, path string
	port                        int
	ws, wss                     bool
}

type identityOptions struct {
	id, prefix, user, password, token string
	scram                             bool
}

type willOptions struct {
	topic, payload string
	qos            int
	retain         bool
}

// addFlags declares the shared options.
func (o *connection) addFlags(f *pflag.FlagSet) {
	n, i := &o.network, &o.identity
	f.StringVarP(&n.host, "host", "h", "localhost", "broker's host")
	f.IntVarP(&n.port, "port", "p", 0, "broker's port (default 1883; TLS 8883, ws 8080, wss 8443)")
	f.StringVarP(&n.bind, "bind", "A", "", "local address to connect from")
	f.StringVar(&n.unix, "unix", "", "connect to this Unix socket")
	f.StringVarP(&n.url, "url", "L", "", "mqtt[s]|ws[s]://[user[:password]@]host[:port]/topic")
	f.BoolVar(&n.ws, "ws", false, "connect by WebSocket")
	f.BoolVar(&n.wss, "wss", false, "connect by WebSocket over TLS")
	f.StringVar(&n.path, "ws-path", "", "path of the WebSocket request (default /mqtt)")
	f.StringVarP(&i.user, "username", "u", "", "user name")
	f.StringVarP(&i.password, "pw", "P", "", "password")
	f.StringVar(&i.token, "token", "", "Alcove token, sent as user name (default $ALCOVE_TOKEN where no user name is given)")
	f.BoolVar(&i.scram, "scram", false, "authenticate by SCRAM-SHA-256: the token's id as user name, its key as password")
	f.StringVarP(&i.id, "id", "i", "", "client identifier")
	f.StringVarP(&i.prefix, "id-prefix", "I", "", "client identifier: this and the process id")
	f.IntVarP(&o.keep, "keepalive", "k", 60, "keep alive in seconds")
	f.BoolVarP(&o.persist, "disable-clean-session", "c", false, "keep the session after the end (needs -i)")
	f.StringVarP(&o.expiry, "session-expiry-interval", "x", "", "seconds that the session lives on, -1 or ∞ for ever (MQTT 5)")
	f.StringVarP(&o.version, "protocol-version", "V", "mqttv5", "mqttv31, mqttv311 or mqttv5")
	f.StringArrayVarP(&o.props.raw, "property", "D", nil, "`packet property value`: a property of MQTT 5")
	f.BoolVarP(&o.debug, "debug", "d", false, "print packets to the error output")
	f.BoolVar(&o.quiet, "quiet", false, "print no errors")
	f.StringVar(&o.will.topic, "will-topic", "", "topic of the will")
	f.StringVar(&o.will.payload, "will-payload", "", "payload of the will")
	f.IntVar(&o.will.qos, "will-qos", 0, "QoS of the will")
	f.BoolVar(&o.will.retain, "will-retain", false, "retain the will")
	f.StringVar(&o.tls.CAFile, "cafile", "", "certificates to trust, PEM")
	f.StringVar(&o.tls.CAPath, "capath", "", "directory of certificates to trust")
	f.StringVar(&o.tls.CertFile, "cert", "", "client certificate, PEM")
	f.StringVar(&o.tls.KeyFile, "key", "", "key of the client certificate, PEM")
	f.StringVar(&o.tls.Version, "tls-version", "", "tlsv1.2 or tlsv1.3")
	f.StringVar(&o.tls.Protocol, "tls-alpn", "", "ALPN protocol")
	f.StringVar(&o.tls.ServerName, "servername", "", "name for SNI and verification, if not the host's")
	f.BoolVar(&o.tls.Insecure, "insecure", false, "do not verify the broker's certificate")
	f.BoolVar(&o.osCerts, "tls-use-os-certs", false, "use TLS and trust the system's certificates")
}

// parse reads the arguments of a command whose flags cobra does not parse, because -h
// is the host and -D takes three values. It reports false when help was asked for.
func (o *connection) parse(cmd *cobra.Command, args []string) (ok bool, err error) {
	o.errOut = cmd.ErrOrStderr()
	f := cmd.Flags()
	args, err = joinProperties(args)
	if err != nil {
		return false, err
	}
	err = f.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return false, cmd.Help()
	}
	if err != nil {
		return false, err
	}
	if help, _ := f.GetBool("help"); help {
		return false, cmd.Help()
	}
	if f.NArg() > 0 {
		return false, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return true, o.props.parse()
}

// endpoint works out where to connect. It also takes credentials and topic from the
// URL.
func (o *connection) endpoint(f *pflag.FlagSet) (e client.Endpoint, err error) {
	n := &o.network
	if e.TLS, err = o.tls.Config(); err != nil {
		return e, err
	}
	e.Bind = n.bind
	if n.url != "" {
		if f.Changed("host") || f.Changed("port") {
			return e, errors.New("-L replaces -h and -p")
		}
		u, err := client.ParseURL(n.url)
		if err != nil {
			return e, err
		}
		cfg := e.TLS
		e = u.Endpoint
		e.TLS, e.Bind, o.topic = cfg, n.bind, u.Topic
		if u.HasUser {
			f.Set("username", u.Username)
		}
		if u.HasPass {
			f.Set("pw", u.Password)
		}
		if n.path != "" {
			e.Path = n.path
		}
		return e, nil
	}
	secure := n.wss || o.osCerts || n.port == 8883 && !n.ws
	for _, name := range []string{"cafile", "capath", "cert", "insecure", "tls-version", "tls-alpn", "servername"} {
		secure = secure || f.Changed(name)
	}
	port := 1883
	switch {
	case n.unix != "":
		e.Transport, e.Address = client.Unix, n.unix
		return e, nil
	case (n.ws || n.wss) && secure:
		e.Transport, port = client.WSS, 8443
	case n.ws:
		e.Transport, port = client.WS, 8080
	case secure:
		e.Transport, port = client.TLS, 8883
	default:
		e.Transport = client.TCP
	}
	if n.port != 0 {
		port = n.port
	}
	e.Path = n.path
	e.Address = net.JoinHostPort(strings.Trim(n.host, "[]"), strconv.Itoa(port))
	return e, nil
}

// options builds what the client needs from the flags.
func (o *connection) options(f *pflag.FlagSet) (client.Options, error) {
	opt := client.Options{ClientID: o.identity.id, CleanStart: !o.persist, KeepAlive: time.Duration(o.keep) * time.Second}
	var err error
	if opt.Version, err = parseVersion(o.version); err != nil {
		return opt, err
	}
	if o.identity.prefix != "" {
		if o.identity.id != "" {
			return opt, errors.New("-i and -I exclude each other")
		}
		opt.ClientID = o.identity.prefix + strconv.Itoa(os.Getpid())
	}
	if o.persist && opt.ClientID == "" {
		return opt, errors.New("a session that is kept (-c) needs a client identifier (-i)")
	}
	if opt.Version == mqtt.V31 && opt.ClientID == "" {
		opt.ClientID = "alcove-" + strconv.Itoa(os.Getpid()) // 3.1 has no empty one
	}
	if opt.Version != mqtt.V5 && len(o.props.raw) > 0 {
		return opt, errors.New("-D needs -V mqttv5")
	}
	o.credentials(f, &opt)
	if err := o.addWill(&opt); err != nil {
		return opt, err
	}
	props := o.props.connect
	if err := o.addExpiry(&props, opt.Version); err != nil {
		return opt, err
	}
	opt.Props = &props
	if o.debug {
		opt.Trace = func(sent bool, packet string) {
			verb := "received"
			if sent {
				verb = "sending"
			}
			fmt.Fprintf(o.errOut, "Client %s %s %s\n", opt.ClientID, verb, packet)
		}
	}
	return opt, nil
}

func (o *connection) credentials(f *pflag.FlagSet, opt *client.Options) {
	i := &o.identity
	if i.scram {
		opt.Auth = client.NewSCRAM(i.user, i.password)
		return
	}
	switch {
	case f.Changed("username"):
		opt.Username = []byte(i.user)
	case i.token != "":
		opt.Username = []byte(i.token)
	case os.Getenv("ALCOVE_TOKEN") != "" && !f.Changed("pw"):
		opt.Username = []byte(os.Getenv("ALCOVE_TOKEN"))
	}
	if f.Changed("pw") {
		opt.Password = []byte(i.password)
	}
}

func (o *connection) addWill(opt *client.Options) error {
	if o.will.topic == "" {
		if o.will.payload != "" || o.will.retain || o.will.qos != 0 {
			return errors.New("a will needs --will-topic")
		}
		return nil
	}
	if o.will.qos < 0 || o.will.qos > 2 {
		return fmt.Errorf("will QoS %d does not exist", o.will.qos)
	}
	w := o.props.will
	w.Topic, w.Payload = []byte(o.will.topic), []byte(o.will.payload)
	w.QoS, w.Retain = mqtt.QoS(o.will.qos), o.will.retain
	opt.Will = &w
	return nil
}

func (o *connection) addExpiry(p *mqtt.ConnectProps, v mqtt.Version) error {
	const never = 0xFFFFFFFF
	switch o.expiry {
	case "":
		if o.persist && v == mqtt.V5 && !p.HasSessionExpiry {
			p.SessionExpiry, p.HasSessionExpiry = never, true
		}
		return nil
	case "-1", "∞":
		p.SessionExpiry = never
	default:
		n, err := strconv.ParseUint(o.expiry, 10, 32)
		if err != nil {
			return fmt.Errorf("session expiry %q is not a number of seconds", o.expiry)
		}
		p.SessionExpiry = uint32(n)
	}
	if v != mqtt.V5 {
		return errors.New("-x needs -V mqttv5")
	}
	p.HasSessionExpiry = true
	return nil
}

// report prints a message to the error output, unless --quiet is given.
func (o *connection) report(format string, args ...any) {
	if !o.quiet {
		fmt.Fprintf(o.errOut, format+"\n", args...)
	}
}

// exit turns an error of the client into the exit codes of mosquitto's tools: the
// return code of a refused CONNECT, else 1.
func (o *connection) exit(err error) error {
	if err == nil {
		return nil
	}
	code := 1
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		if code = int(refused.Code); refused.V3 != 0 {
			code = int(refused.V3)
		}
	}
	if o.quiet {
		err = nil
	}
	return &exitError{code: code, err: err}
}

// open connects. With -d it prints the user properties of CONNACK, in which an Alcove
// broker tells the token and the session's subscriptions [EXT-UP-5].
func (o *connection) open(ctx context.Context, e client.Endpoint, opt client.Options) (*client.Client, error) {
	c, err := client.Open(ctx, e, opt)
	if err != nil || !o.debug {
		return c, err
	}
	for k, v := range c.Connack().Props.User.All() {
		fmt.Fprintf(o.errOut, "Connected with %s=%s\n", screen.Escape(string(k)), screen.Escape(string(v)))
	}
	return c, nil
}

// Times between attempts to connect again.
const (
	retryFirst = time.Second
	retryMost  = 30 * time.Second
)

// reopen connects again after a loss, for as long as it makes sense and ctx lasts.
func (o *connection) reopen(ctx context.Context, e client.Endpoint, opt client.Options) (*client.Client, error) {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		case <-t.C:
		}
		c, err := o.open(ctx, e, opt)
		if err == nil {
			return c, nil
		}
		if !lasting(err) {
			return nil, err
		}
		o.report("Connecting again: %v", err)
	}
}

// lasting reports whether another attempt may succeed after err.
func lasting(err error) bool {
	code := mqtt.Success
	var refused *client.RefusedError
	var gone *client.DisconnectedError
	switch {
	case errors.As(err, &refused):
		code = refused.Code
	case errors.As(err, &gone):
		code = gone.Code
	default:
		return !errors.Is(err, client.ErrClosed)
	}
	switch code {
	case mqtt.ServerUnavailable, mqtt.ServerBusy, mqtt.ServerShuttingDown, mqtt.ConnectionRateExceeded,
		mqtt.KeepAliveTimeout, mqtt.UnspecifiedError, mqtt.ImplementationSpecificError, mqtt.NormalDisconnection:
		return true
	}
	return false
}
