package interop

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// autopahoV5 is github.com/eclipse/paho.golang/autopaho, which keeps the
// connection up by itself.
var autopahoV5 = kind{
	name:          "autopaho 5.0",
	schemes:       []string{"mqtt", "mqtts", "ws", "wss"},
	selfReconnect: []string{"mqtt", "mqtts", "ws", "wss"},
	open:          func(_ *testing.T, o options) (peer, error) { return openAutopaho(o) },
}

type autoPeer struct {
	manager *autopaho.ConnectionManager
	in      chan message
	first   chan *paho.Connack // the first CONNACK
	present bool
	quit    context.CancelFunc
}

func openAutopaho(o options) (*autoPeer, error) {
	ctx, quit := context.WithCancel(context.Background())
	p := &autoPeer{in: make(chan message, 4096), first: make(chan *paho.Connack, 1), quit: quit}
	refused := make(chan error, 1)
	template := connectPacket(o)
	cfg := autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{o.url},
		TlsCfg:                        tlsConfig(),
		KeepAlive:                     60,
		CleanStartOnInitialConnection: !o.persistent,
		ConnectUsername:               o.username,
		ConnectPassword:               []byte(o.password),
		ConnectTimeout:                patience,
		ReconnectBackoff: func(attempt int) time.Duration {
			if attempt == 0 {
				return 0
			}
			return 200 * time.Millisecond
		},
		WillMessage:    template.WillMessage,
		WillProperties: template.WillProperties,
		OnConnectionUp: func(_ *autopaho.ConnectionManager, ack *paho.Connack) {
			select {
			case p.first <- ack:
			default: // a later connection
			}
		},
		OnConnectionDown: func() bool { return o.reconnects },
		OnConnectError: func(err error) {
			select {
			case refused <- err:
			default:
			}
		},
		ClientConfig: paho.ClientConfig{
			ClientID: o.clientID,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){
				func(r paho.PublishReceived) (bool, error) {
					p.in <- fromPaho5(r.Packet)
					return true, nil
				},
			},
		},
	}
	if o.persistent {
		cfg.SessionExpiryInterval = sessionExpiry
	}
	var err error
	if p.manager, err = autopaho.NewConnection(ctx, cfg); err != nil {
		quit()
		return nil, err
	}
	select {
	case ack := <-p.first:
		p.present = ack.SessionPresent
	case err := <-refused:
		quit()
		return nil, err
	case <-time.After(patience):
		quit()
		return nil, errors.New("no CONNACK")
	}
	subCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := subscribePaho5(subCtx, p.manager.Subscribe, o.subs); err != nil {
		quit()
		return nil, err
	}
	return p, nil
}

func (p *autoPeer) publish(m message) error      { return publishPaho5(p.manager.Publish, m) }
func (p *autoPeer) received() <-chan message     { return p.in }
func (p *autoPeer) sessionPresent() (bool, bool) { return p.present, true }

func (p *autoPeer) disconnect() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := p.manager.Disconnect(ctx)
	p.quit()
	<-p.manager.Done()
	return err
}

func (p *autoPeer) abandon() {
	p.quit()
	<-p.manager.Done()
}
