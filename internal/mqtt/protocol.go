package mqtt

import "strconv"

// Version is a protocol level as it stands in CONNECT.
type Version byte

// The protocol versions that this package speaks.
const (
	V31  Version = 3 // MQTT 3.1, protocol name "MQIsdp"
	V311 Version = 4 // MQTT 3.1.1, protocol name "MQTT"
	V5   Version = 5 // MQTT 5.0, protocol name "MQTT"
)

// String returns the version as people write it, such as "3.1.1".
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5.0"
	}
	return "unknown version " + strconv.Itoa(int(v))
}

// PacketType is the type of a control packet: the upper four bits of its first byte.
type PacketType byte

// The control packet types. AUTH exists in MQTT 5 only.
const (
	TypeConnect     PacketType = 1
	TypeConnack     PacketType = 2
	TypePublish     PacketType = 3
	TypePuback      PacketType = 4
	TypePubrec      PacketType = 5
	TypePubrel      PacketType = 6
	TypePubcomp     PacketType = 7
	TypeSubscribe   PacketType = 8
	TypeSuback      PacketType = 9
	TypeUnsubscribe PacketType = 10
	TypeUnsuback    PacketType = 11
	TypePingreq     PacketType = 12
	TypePingresp    PacketType = 13
	TypeDisconnect  PacketType = 14
	TypeAuth        PacketType = 15
)

var packetTypeNames = [16]string{
	"reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// String returns the packet's name in the standard's capitals.
func (t PacketType) String() string {
	if int(t) < len(packetTypeNames) {
		return packetTypeNames[t]
	}
	return "packet type " + strconv.Itoa(int(t))
}

// QoS is a quality of service level.
type QoS byte

// The three levels of delivery.
const (
	QoS0 QoS = 0 // at most once
	QoS1 QoS = 1 // at least once
	QoS2 QoS = 2 // exactly once
)

// Bounds of the format, and those that this package adds to it.
const (
	// MaxString is the length in bytes that a string or binary field can have.
	MaxString = 65535

	// MaxRemaining is the highest Remaining Length, in bytes.
	MaxRemaining = 268435455

	// MaxPacketSize is the size in bytes of the largest packet that can be written.
	MaxPacketSize = MaxRemaining + 5

	// MaxUserProperties is how many User Properties one packet (or one Will) may
	// hold. The standard has no limit; a packet over this one draws PacketTooLarge.
	// Why not QuotaExceeded: that code is answered in the acknowledgement of a
	// PUBLISH and lets the connection live [EXT-UP-7], but a decoding error ends it.
	MaxUserProperties = 1000

	// MaxSubscriptionIDs is how many Subscription Identifiers a PUBLISH from a
	// server may hold; over it: PacketTooLarge.
	MaxSubscriptionIDs = 65535

	// MaxSubscriptionID is the highest Subscription Identifier.
	MaxSubscriptionID = 268435455
)
