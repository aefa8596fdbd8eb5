package bench

// Result is what a run has measured. Figures that were not measured are 0. In JSON it
// is one flat object.
type Result struct {
	Scenario     string  `json:"scenario"`
	URL          string  `json:"url"`
	Version      string  `json:"version"`
	QoS          int     `json:"qos"`
	PayloadBytes int     `json:"payload_bytes"`
	Connections  int     `json:"connections"`
	Count        int     `json:"count,omitempty"`
	Seconds      float64 `json:"seconds"`
	Rates
	Latency
	Saturation
	Memory
	Database
	Tenancy
	Stalls
	Pauses
	Series
	Counts
}

// Stalls are the latencies of a steady stream beside a subscriber that never reads, and
// beside one that reads a little, in microseconds.
type Stalls struct {
	UnreadP50  float64 `json:"unread_p50_us,omitempty"`
	UnreadP99  float64 `json:"unread_p99_us,omitempty"`
	UnreadP999 float64 `json:"unread_p999_us,omitempty"`
	SlowP50    float64 `json:"slow_p50_us,omitempty"`
	SlowP99    float64 `json:"slow_p99_us,omitempty"`
	SlowP999   float64 `json:"slow_p999_us,omitempty"`
}

// Pauses are how often the broker's garbage collector stopped everything, and for how
// long, in microseconds.
type Pauses struct {
	Pauses   int     `json:"pauses,omitempty"`
	PauseP99 float64 `json:"pause_p99_us,omitempty"`
	PauseMax float64 `json:"pause_max_us,omitempty"`
}

// Series is what a message cost at several sizes of the same thing, in rising order.
type Series struct {
	SeriesOf string  `json:"series_of,omitempty"` // what there are N of
	Points   []Point `json:"series,omitempty"`
}

// Point is one of a Series: microseconds of the broker's CPU time per message.
type Point struct {
	N         int     `json:"n"`
	CPUPerMsg float64 `json:"cpu_us_per_msg"`
}

// Rates are messages a second and what one cost the broker, in microseconds of CPU
// time; a message in and a message out count one each.
type Rates struct {
	InPerS        float64 `json:"in_per_s"`
	OutPerS       float64 `json:"out_per_s"`
	CPUPerMsg     float64 `json:"cpu_us_per_msg"`
	CPUPerPublish float64 `json:"cpu_us_per_publish,omitempty"`
	CPUPerConnect float64 `json:"cpu_us_per_connect,omitempty"`
}

// Latency is from the moment a message was due to its arrival, in microseconds, and by
// how much the driver itself was late.
type Latency struct {
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	P999          float64 `json:"p999_us"`
	Max           float64 `json:"max_us"`
	DriverLateP99 float64 `json:"driver_late_p99_us,omitempty"`
}

// Saturation is what a run found before it went on at half of it, and how long a
// publisher waited for its acknowledgements, in microseconds: flat out, and at half.
type Saturation struct {
	SaturationPerS float64 `json:"saturation_per_s,omitempty"` // messages in
	AckP50         float64 `json:"ack_p50_us,omitempty"`
	AckP99         float64 `json:"ack_p99_us,omitempty"`
	AckP999        float64 `json:"ack_p999_us,omitempty"`
	HalfAckP50     float64 `json:"half_ack_p50_us,omitempty"`
	HalfAckP99     float64 `json:"half_ack_p99_us,omitempty"`
	HalfAckP999    float64 `json:"half_ack_p999_us,omitempty"`
}

// Memory is the broker's resident memory in bytes.
type Memory struct {
	RSS        int64   `json:"rss_bytes"`
	RSSPerConn float64 `json:"rss_per_conn_bytes"`
	RSSPerSub  float64 `json:"rss_per_subscription_bytes,omitempty"`
}

// Database is what retained messages cost that are many: stored, then updated at
// random, then asked for ten at a time by selectors and by time, then deleted. The
// times of questions go from the SUBSCRIBE to the last message, in microseconds; their
// CPU time includes an UNSUBSCRIBE.
type Database struct {
	StoredPerS     float64 `json:"stored_per_s,omitempty"`
	CPUPerStore    float64 `json:"cpu_us_per_store,omitempty"`
	UpdatesPerS    float64 `json:"updates_per_s,omitempty"`
	CPUPerUpdate   float64 `json:"cpu_us_per_update,omitempty"`
	SelectP50      float64 `json:"select_p50_us,omitempty"`
	SelectP99      float64 `json:"select_p99_us,omitempty"`
	CPUPerSelect   float64 `json:"cpu_us_per_select,omitempty"`
	SinceP50       float64 `json:"since_p50_us,omitempty"`
	SinceP99       float64 `json:"since_p99_us,omitempty"`
	CPUPerSince    float64 `json:"cpu_us_per_since,omitempty"`
	DeletedPerS    float64 `json:"deleted_per_s,omitempty"`
	RSSPerRetained float64 `json:"rss_per_retained_bytes,omitempty"` // beside the payload
}

// Counts are of all messages of a run, the warm-up included.
type Counts struct {
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	Lost       uint64 `json:"lost"`
	Duplicated uint64 `json:"duplicated"`
	OutOfOrder uint64 `json:"out_of_order"`
	Errors     uint64 `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
	// OwnProperties is how many of the broker's three user properties the first
	// delivery to each subscriber had, the fewest of all [EXT-UP-1] [EXT-UP-2].
	OwnProperties int `json:"own_properties,omitempty"`
}

// rates fills in what two samples tell about the time between them.
func (res *Result) rates(a, b sample) {
	in, out := b.sent-a.sent, b.received-a.received
	res.Seconds = float64(b.at-a.at) / 1e9
	if res.Seconds > 0 {
		res.InPerS, res.OutPerS = float64(in)/res.Seconds, float64(out)/res.Seconds
	}
	if cpu := float64((b.usage.CPU - a.usage.CPU).Microseconds()); cpu > 0 && in+out > 0 {
		res.CPUPerMsg = cpu / float64(in+out)
		if in > 0 {
			res.CPUPerPublish = cpu / float64(in)
		}
	}
	res.RSS = b.usage.RSS
}
