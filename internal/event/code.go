package event

// Code is the kind of a record [EXT-LOG-1].
type Code int

// The codes.
const (
	Created             Code = 1    // an item was created
	Updated             Code = 2    // an item was changed
	Deleted             Code = 3    // an item was deleted
	Blocked             Code = 20   // the account was blocked
	Unblocked           Code = 21   // the account is no longer blocked
	Accepted            Code = 500  // a client is connected
	ConnectBlocked      Code = 501  // a client was refused because of the account: blocked, or a limit
	ConnectRejected     Code = 502  // a client was refused because of its token or its packet
	Closed              Code = 503  // a connection has ended
	Overflowed          Code = 504  // a session was ended by the bound of its queue [EXT-SES-3]
	SubscriptionCreated Code = 510  // by REST
	SubscriptionUpdated Code = 511  // by REST
	SubscriptionDeleted Code = 512  // by REST, or because the rights allow it no more
	Subscribed          Code = 520  // by SUBSCRIBE
	Unsubscribed        Code = 521  // by UNSUBSCRIBE
	PublishRejected     Code = 530  // a message was refused
	MessageDropped      Code = 531  // a message was taken and not delivered, or not retained
	Takeover            Code = 540  // a session was taken over from another connection [EXT-SES-1]
	TokenExpired        Code = 600  // a token has lapsed and is deleted [EXT-TOK-3]
	Request             Code = 1000 // a REST request
)

// Severity says how much a record asks for attention.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Entry describes a code for people and programs [EXT-REST-12].
type Entry struct {
	Code        Code     `json:"code"`
	Name        string   `json:"name"` // the last level of the topic under which it is published live
	Description string   `json:"description"`
	Severity    Severity `json:"severity"`
}

// dictionary holds every code that a record can have, by growing code.
var dictionary = []Entry{
	{Created, "created", "An item was created", Info},
	{Updated, "updated", "An item was changed", Info},
	{Deleted, "deleted", "An item was deleted", Info},
	{Blocked, "blocked", "The account was blocked", Error},
	{Unblocked, "unblocked", "The account is no longer blocked", Info},
	{Accepted, "accepted", "A client was connected to its session", Info},
	{ConnectBlocked, "connect_blocked", "A client was refused: its account is blocked or has reached a limit", Error},
	{ConnectRejected, "connect_rejected", "A client was refused: its token is not valid here and now, or its CONNECT is wrong", Warning},
	{Closed, "closed", "A connection has ended", Info},
	{Overflowed, "overflowed", "A session was ended because its queue reached its bound", Error},
	{SubscriptionCreated, "subscription_created", "A subscription was created by REST", Info},
	{SubscriptionUpdated, "subscription_updated", "A subscription was replaced by REST", Info},
	{SubscriptionDeleted, "subscription_deleted", "A subscription was deleted by REST, or because the token's rights no longer allow it", Info},
	{Subscribed, "subscribed", "A client subscribed", Info},
	{Unsubscribed, "unsubscribed", "A client unsubscribed", Info},
	{PublishRejected, "publish_rejected", "A message was refused", Warning},
	{MessageDropped, "message_dropped", "A message was taken and then dropped, or not retained", Warning},
	{Takeover, "takeover", "A session was taken over from another connection; where connections fight for it the newcomer waits", Warning},
	{TokenExpired, "token_expired", "A token has lapsed and was deleted", Warning},
	{Request, "request", "A REST request was served", Info},
}

// Dictionary returns the entry of every code, by growing code. The slice is shared
// and must not be written to.
func Dictionary() []Entry { return dictionary }

// Describe returns the entry of a code; false for one that is none.
func (c Code) Describe() (Entry, bool) {
	for i := range dictionary {
		if dictionary[i].Code == c {
			return dictionary[i], true
		}
	}
	return Entry{}, false
}

// Name is the code's name as live topics have it; "" for a code that is none.
func (c Code) Name() string {
	e, _ := c.Describe()
	return e.Name
}
