package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/expr"
	"alcove/internal/mqtt"
)

// Error is one entry of an answer's errors [EXT-REST-1].
type Error struct {
	Code   int    `json:"code" doc:"HTTP status code of this error" example:"404"`
	Reason string `json:"reason" doc:"What is wrong, naming the field where one is"`
	ID     int64  `json:"id,omitempty" doc:"The item that failed, where there is one"`
	Column int    `json:"column,omitempty" doc:"Where an expression is wrong: the byte, counted from 1 [EXT-REST-6]"`
}

// Failure is an answer that has only errors.
type Failure struct {
	Errors []Error `json:"errors"`
}

// Error returns the first reason.
func (f *Failure) Error() string { return f.Errors[0].Reason }

// GetStatus returns the HTTP status: the first error's.
func (f *Failure) GetStatus() int { return f.Errors[0].Code }

func fail(code int, reason string) *Failure {
	return &Failure{Errors: []Error{{Code: code, Reason: reason}}}
}

var errNotFound = fail(http.StatusNotFound, "not found")

// statusOf is the one table from reason codes to HTTP.
var statusOf = map[mqtt.ReasonCode]int{
	mqtt.BadUserNameOrPassword: http.StatusUnauthorized,
	mqtt.NotAuthorized:         http.StatusForbidden,
	mqtt.Banned:                http.StatusForbidden, // [EXT-ACC-4]
	mqtt.ServerUnavailable:     http.StatusServiceUnavailable,
	mqtt.ServerBusy:            http.StatusServiceUnavailable,
	mqtt.QuotaExceeded:         http.StatusTooManyRequests,

	mqtt.ConnectionRateExceeded: http.StatusTooManyRequests, // too many failed logins
	mqtt.PacketTooLarge:         http.StatusRequestEntityTooLarge,
	mqtt.TopicNameInvalid:       http.StatusBadRequest,
	mqtt.TopicFilterInvalid:     http.StatusBadRequest,
	mqtt.PayloadFormatInvalid:   http.StatusBadRequest,
}

// describe turns an error of the lower floors into what the caller is told. What it
// does not know is the store's: the caller learns that it failed, not how.
func describe(err error) Error {
	if e, ok := errors.AsType[*auth.FieldError](err); ok {
		return Error{Code: http.StatusBadRequest, Reason: e.Error()}
	}
	if e, ok := errors.AsType[*auth.QuotaError](err); ok {
		return Error{Code: http.StatusForbidden, Reason: e.Error()}
	}
	if e, ok := errors.AsType[*mqtt.Error](err); ok {
		if status := statusOf[e.Code]; status != 0 {
			return Error{Code: status, Reason: e.Reason}
		}
	}
	if e, ok := errors.AsType[*Failure](err); ok {
		return e.Errors[0]
	}
	if e, ok := errors.AsType[*expr.Error](err); ok {
		return Error{Code: http.StatusBadRequest, Reason: "expression: " + e.Error(), Column: e.Column}
	}
	if errors.Is(err, auth.ErrNotFound) {
		return errNotFound.Errors[0]
	}
	return Error{Code: http.StatusServiceUnavailable, Reason: "the change could not be stored"}
}

func describeItem(err error, id int64) Error {
	e := describe(err)
	e.ID = id
	return e
}

// The REST framework's own errors take the same form: a wrong body or parameter is a
// 400 which names the field [EXT-REST-1].
func init() {
	// A field's name has one spelling: "Topic" beside "topic" would replace it.
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		if status == http.StatusUnprocessableEntity {
			status = http.StatusBadRequest
		}
		if status == http.StatusInternalServerError && message == "cannot read request body" {
			status, errs = http.StatusBadRequest, nil
		}
		f := &Failure{}
		for i, err := range errs {
			if i == maxFaults {
				f.Errors = append(f.Errors, Error{Code: status, Reason: "and " + strconv.Itoa(len(errs)-i) + " more"})
				break
			}
			reason := message
			if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
				reason = detail(d)
			}
			f.Errors = append(f.Errors, Error{Code: status, Reason: reason})
		}
		if len(f.Errors) == 0 {
			f.Errors = []Error{{Code: status, Reason: message}}
		}
		return f
	}
}

// detail names the field as the JSON document spells it, without repeating its value.
func detail(d *huma.ErrorDetail) string {
	where := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), ".")
	where = strings.TrimPrefix(strings.TrimPrefix(where, "query."), "header.")
	if where == "" {
		return "body: " + d.Message
	}
	return where + ": " + d.Message
}

// itemField puts the place in the array before a field's error.
func itemField(e Error, index int) Error {
	e.Reason = "[" + strconv.Itoa(index) + "]: " + e.Reason
	return e
}
