package auth

import (
	"strconv"
	"time"
)

// Overflow is what happens to a session's queue at its byte limit [EXT-SES-3].
type Overflow uint8

// The overflow policies; the zero value is the default.
const (
	DropOldest Overflow = iota
	DropNewest
	DeleteSession
)

// String returns the policy as settings spell it.
func (o Overflow) String() string { return overflowNames[o] }

// Durability is what an acknowledgement promises [EXT-SES-4].
type Durability uint8

// The durabilities; the zero value is the default.
const (
	DurabilitySync   Durability = iota // on disk, synced
	DurabilityAsync                    // written, survives the process but not the power
	DurabilityMemory                   // nothing survives
)

// String returns the durability as settings spell it.
func (d Durability) String() string { return durabilityNames[d] }

var (
	overflowNames   = [...]string{"drop_oldest", "drop_newest", "delete_session"}
	durabilityNames = [...]string{"sync", "async", "memory"}
)

// SessionExpiryUnlimited is the session_expiry_max that limits nothing: the Session
// Expiry Interval which MQTT 5 reads as "never".
const SessionExpiryUnlimited = 0xFFFFFFFF

// Settings are the settings of one account as they were written: an unset key (nil)
// takes the parent's value [EXT-ACC-5].
type Settings struct {
	Stamps           *bool   `json:"stamps,omitempty"`             // broker's user properties on delivery [EXT-UP-8]
	RetainedFirst    *bool   `json:"retained_first,omitempty"`     // retained messages before the SUBACK [EXT-RET-4]
	Overflow         *string `json:"overflow,omitempty"`           // drop_oldest, drop_newest, delete_session [EXT-SES-3]
	Durability       *string `json:"durability,omitempty"`         // sync, async, memory [EXT-SES-4]
	SessionExpiryMax *int64  `json:"session_expiry_max,omitempty"` // s; 4294967295 limits nothing [EXT-SES-2]
	SessionExpiryV3  *int64  `json:"session_expiry_v3,omitempty"`  // s a 3.x session lives after its connection [EXT-SES-2]
	LogBytes         *int64  `json:"log_bytes,omitempty"`          // bytes of the account's log [EXT-LOG-2]
	LogDays          *int64  `json:"log_days,omitempty"`           // days its records are kept [EXT-LOG-2]
}

// EffectiveSettings are an account's settings with everything inherited filled in.
type EffectiveSettings struct {
	Stamps           bool
	RetainedFirst    bool
	Overflow         Overflow
	Durability       Durability
	SessionExpiryMax time.Duration // SessionExpiryUnlimited seconds limit nothing
	SessionExpiryV3  time.Duration
	LogBytes         int64
	LogDays          int64
}

// DefaultSettings are in force at the top of a tree where nothing is set.
func DefaultSettings() EffectiveSettings {
	return EffectiveSettings{
		Stamps:           true,
		RetainedFirst:    true,
		SessionExpiryMax: SessionExpiryUnlimited * time.Second,
		SessionExpiryV3:  30 * 24 * time.Hour,
		LogBytes:         1 << 30,
		LogDays:          30,
	}
}

// Settings returns the settings with every key set, as JSON shows them.
func (e EffectiveSettings) Settings() Settings {
	return Settings{
		Stamps: new(e.Stamps), RetainedFirst: new(e.RetainedFirst),
		Overflow: new(e.Overflow.String()), Durability: new(e.Durability.String()),
		SessionExpiryMax: new(int64(e.SessionExpiryMax / time.Second)), SessionExpiryV3: new(int64(e.SessionExpiryV3 / time.Second)),
		LogBytes: new(e.LogBytes), LogDays: new(e.LogDays),
	}
}

// SettingNames are the keys of Settings, as JSON spells them.
var SettingNames = []string{"stamps", "retained_first", "overflow", "durability",
	"session_expiry_max", "session_expiry_v3", "log_bytes", "log_days"}

// check returns a FieldError for the first value out of its range.
func (s *Settings) check() error {
	if s.Overflow != nil && indexOf(overflowNames[:], *s.Overflow) < 0 {
		return fieldError("settings.overflow", "must be drop_oldest, drop_newest or delete_session")
	}
	if s.Durability != nil && indexOf(durabilityNames[:], *s.Durability) < 0 {
		return fieldError("settings.durability", "must be sync, async or memory")
	}
	for _, n := range []struct {
		field string
		value *int64
		max   int64
	}{
		{"settings.session_expiry_max", s.SessionExpiryMax, SessionExpiryUnlimited},
		{"settings.session_expiry_v3", s.SessionExpiryV3, SessionExpiryUnlimited},
		{"settings.log_bytes", s.LogBytes, 1 << 40},
		{"settings.log_days", s.LogDays, 3650},
	} {
		if n.value != nil && (*n.value < 0 || *n.value > n.max) {
			return fieldError(n.field, "must be between 0 and "+strconv.FormatInt(n.max, 10))
		}
	}
	return nil
}

// merged returns s with the keys of set put over it and those named in unset removed.
func (s Settings) merged(set *Settings, unset []string) (Settings, error) {
	if set != nil {
		if err := set.check(); err != nil {
			return s, err
		}
		override(&s.Stamps, set.Stamps)
		override(&s.RetainedFirst, set.RetainedFirst)
		override(&s.Overflow, set.Overflow)
		override(&s.Durability, set.Durability)
		override(&s.SessionExpiryMax, set.SessionExpiryMax)
		override(&s.SessionExpiryV3, set.SessionExpiryV3)
		override(&s.LogBytes, set.LogBytes)
		override(&s.LogDays, set.LogDays)
	}
	for _, name := range unset {
		switch name {
		case "stamps":
			s.Stamps = nil
		case "retained_first":
			s.RetainedFirst = nil
		case "overflow":
			s.Overflow = nil
		case "durability":
			s.Durability = nil
		case "session_expiry_max":
			s.SessionExpiryMax = nil
		case "session_expiry_v3":
			s.SessionExpiryV3 = nil
		case "log_bytes":
			s.LogBytes = nil
		case "log_days":
			s.LogDays = nil
		default:
			return s, fieldError("settings."+name, "no such setting")
		}
	}
	return s, nil
}

// resolve fills the unset keys of s with the parent's values [EXT-ACC-5].
func (s *Settings) resolve(parent EffectiveSettings) EffectiveSettings {
	e := parent
	if s.Stamps != nil {
		e.Stamps = *s.Stamps
	}
	if s.RetainedFirst != nil {
		e.RetainedFirst = *s.RetainedFirst
	}
	if s.Overflow != nil {
		e.Overflow = Overflow(max(0, indexOf(overflowNames[:], *s.Overflow)))
	}
	if s.Durability != nil {
		e.Durability = Durability(max(0, indexOf(durabilityNames[:], *s.Durability)))
	}
	if s.SessionExpiryMax != nil {
		e.SessionExpiryMax = time.Duration(*s.SessionExpiryMax) * time.Second
	}
	if s.SessionExpiryV3 != nil {
		e.SessionExpiryV3 = time.Duration(*s.SessionExpiryV3) * time.Second
	}
	if s.LogBytes != nil {
		e.LogBytes = *s.LogBytes
	}
	if s.LogDays != nil {
		e.LogDays = *s.LogDays
	}
	return e
}

func override[T any](dst **T, src *T) {
	if src != nil {
		*dst = src
	}
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}
