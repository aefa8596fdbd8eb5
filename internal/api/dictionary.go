package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"alcove/internal/event"
)

// topicView describes topics of one shape.
type topicView struct {
	Description string `json:"description"`
}

// topicDictionary are the topics of the broker, by their shape.
type topicDictionary struct {
	Topics map[string]topicView `json:"topics"`
}

// codeDictionary are the event codes, by their number.
type codeDictionary struct {
	Codes map[string]event.Entry `json:"codes"`
}

// constants are the dictionaries that were asked for.
type constants struct {
	Topics *topicDictionary `json:"toolbox/topics,omitempty"`
	Codes  *codeDictionary  `json:"toolbox/codes,omitempty"`
}

type constantsPick struct {
	Names string `query:"names" required:"true" doc:"Comma list of toolbox/topics and toolbox/codes" example:"toolbox/codes"`
}

// registerDictionary adds /const/values, which needs no token: the dictionaries say
// nothing of anybody [EXT-REST-12]. reserved is the first level of the broker's topics.
func (s *server) registerDictionary(reserved string) {
	topics := &topicDictionary{map[string]topicView{}}
	for _, t := range event.Topics() {
		topics.Topics[reserved+"/"+t.Pattern] = topicView{t.Description}
	}
	codes := &codeDictionary{map[string]event.Entry{}}
	for _, e := range event.Dictionary() {
		codes.Codes[strconv.Itoa(int(e.Code))] = e
	}
	add(s, operation{"const-values", http.MethodGet, "/const/values", "Dictionaries of the broker's topics and event codes", ""},
		func(_ context.Context, in *constantsPick) (*output[constants], error) {
			var c constants
			for name := range strings.SplitSeq(in.Names, ",") {
				switch name {
				case "toolbox/topics":
					c.Topics = topics
				case "toolbox/codes":
					c.Codes = codes
				default:
					return nil, fieldFault("names", "no dictionary "+strconv.Quote(shorten(name))+"; there are toolbox/topics and toolbox/codes")
				}
			}
			return answer([]constants{c}, nil)
		})
}

// shorten bounds what an error repeats of a request.
func shorten(text string) string {
	const most = 64
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
