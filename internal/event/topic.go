package event

// Topic describes the topics of one shape that the broker itself publishes to, or
// takes requests on, for people and programs [EXT-REST-12].
type Topic struct {
	// Pattern is the shape, without the reserved first level; {words} in braces stand
	// for any one level, or, at the end of a request's topic, for all that follow.
	Pattern     string
	Description string
}

// topics holds every shape, the logs of sessions excepted, which come from the
// dictionary of codes.
var topics = []Topic{
	{"log/mqtt/sessions/{id}/created", "A session was created: JSON with it under new"},
	{"log/mqtt/sessions/{id}/updated", "A session was changed: JSON with it under new"},
	{"log/mqtt/sessions/{id}/deleted", "A session has ended: JSON with it under old"},
	{"log/mqtt/messages/{id}/publish_rejected", "A message that came by REST was refused; the id is 0"},
	{"log/mqtt/messages/{id}/deleted", "Retained messages were deleted by REST; the id is 0"},
	{"log/platform/customer/updated", "The account was changed"},
	{"log/platform/customer/blocked", "The account was blocked"},
	{"log/platform/customer/unblocked", "The account is no longer blocked"},
	{"log/platform/subaccounts/{id}/created", "An account below this one was created"},
	{"log/platform/subaccounts/{id}/updated", "An account below this one was changed"},
	{"log/platform/subaccounts/{id}/deleted", "An account below this one was deleted"},
	{"log/platform/subaccounts/{id}/blocked", "An account below this one was blocked"},
	{"log/platform/subaccounts/{id}/unblocked", "An account below this one is no longer blocked"},
	{"log/platform/customers/{id}/created", "The operator has created a top-level account"},
	{"log/platform/customers/{id}/updated", "The operator has changed a top-level account"},
	{"log/platform/customers/{id}/deleted", "The operator has deleted a top-level account"},
	{"log/platform/customers/{id}/blocked", "The operator has blocked a top-level account"},
	{"log/platform/customers/{id}/unblocked", "The operator blocks a top-level account no longer"},
	{"log/platform/tokens/{id}/created", "A token was created"},
	{"log/platform/tokens/{id}/updated", "A token was changed"},
	{"log/platform/tokens/{id}/deleted", "A token was deleted"},
	{"log/platform/tokens/{id}/token_expired", "A token has lapsed and was deleted"},
	{"log/platform/tokens/{id}/request", "A REST request was made with a token"},
	{"log/platform/limits/{id}/created", "A limit object was created"},
	{"log/platform/limits/{id}/updated", "A limit object was changed"},
	{"log/platform/limits/{id}/deleted", "A limit object was deleted"},
	{"state/platform/customer/counters/{name}", "A counter of the account, retained, written at most once a second"},
	{"state/platform/subaccounts/{id}/id", "Id of an account below this one, retained"},
	{"state/platform/subaccounts/{id}/name", "Name of an account below this one, retained"},
	{"state/platform/subaccounts/{id}/deleted", "Whether an account below this one is deleted, retained"},
	{"rest/{method}/{uri}", "A REST request by PUBLISH: the payload is its body, the answer goes to the Response Topic"},
}

// Topics returns every shape, those of the logs of sessions included.
func Topics() []Topic {
	all := append([]Topic{}, topics...)
	for _, e := range dictionary {
		if e.Code >= Accepted && e.Code < TokenExpired {
			all = append(all, Topic{"log/mqtt/sessions/{id}/" + e.Name, e.Description})
		}
	}
	return all
}
