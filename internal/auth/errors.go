package auth

import (
	"errors"

	"alcove/internal/mqtt"
)

// The refusals are made once: refusing a login allocates nothing.
var (
	// errCredentials answers an unknown key, a wrong one and none at all alike [EXT-TOK-1].
	errCredentials = &mqtt.Error{Code: mqtt.BadUserNameOrPassword, Reason: "no such token"}
	errGone        = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token is gone"}
	errDisabled    = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token is disabled"}
	errExpired     = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token has expired"}
	errAddress     = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token is not valid from this address"}
	errBlocked     = &mqtt.Error{Code: mqtt.Banned, Reason: "the account is blocked"}
	errRate        = &mqtt.Error{Code: mqtt.ConnectionRateExceeded, Reason: "too many failed logins"}
	errScram       = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "SCRAM authentication failed"}
	errScramSyntax = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "malformed SCRAM message"}
)

// Refusal is the error of a login with a token that is there and may not be used, or
// in whose name the login was wrong. It tells the broker's own side whose it is; what
// the client is told is the Cause, an *mqtt.Error.
type Refusal struct {
	Token   TokenID
	Account AccountID
	Cause   error
}

// Error returns the cause's text.
func (e *Refusal) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *Refusal) Unwrap() error { return e.Cause }

// ErrNotFound is the answer to an id that does not exist. What exists in a foreign
// account must be answered in the same way [EXT-ACC-1].
var ErrNotFound = errors.New("auth: not found")

// FieldError says which field of a request is wrong and why. Field is the path as the
// JSON document spells it: "access.acl[2].topic".
type FieldError struct {
	Field  string
	Reason string
}

// Error returns "field: reason".
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

func fieldError(field, reason string) error { return &FieldError{Field: field, Reason: reason} }

// QuotaError says which bound of limits.go, or of the account, a change would exceed.
type QuotaError struct{ Limit string }

// Error names the limit.
func (e *QuotaError) Error() string { return "limit " + e.Limit + " is reached" }
