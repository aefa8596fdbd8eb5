package broker

// Counter is a figure of an account under the name by which REST and the retained
// topics of counters show it [EXT-REST-5] [EXT-LOG-3].
type Counter struct {
	Name  string
	Value int64
}

// Counters returns the figures under their names, in a fixed order. What a limit bounds
// has the limit's name.
func (u *Usage) Counters() []Counter {
	return []Counter{
		{"mqtt_sessions", u.Sessions},
		{"mqtt_sessions_online", u.Online},
		{"mqtt_subscriptions", u.Subscriptions},
		{"mqtt_messages", int64(u.Published)},
		{"mqtt_messages_bytes", int64(u.PublishedBytes)},
		{"mqtt_messages_out", int64(u.Sent)},
		{"mqtt_messages_out_bytes", int64(u.SentBytes)},
		{"mqtt_rejected", int64(u.Rejected)},
		{"mqtt_dropped", int64(u.Dropped)},
		{"mqtt_session_storage", u.QueuedBytes},
		{"mqtt_retained_messages", u.Retained},
		{"mqtt_retained_storage", u.RetainedBytes},
	}
}
