package main

import (
	"fmt"
	"strconv"
	"time"
)

// clockLetters are the conversions of strftime that follow @ in a format, and N for
// nanoseconds.
const clockLetters = "aAbBcCdDeFgGhHIjklmMnNpPrRsStTuUVwWxXyYzZ"

// clockLayouts are those of them that a layout of package time expresses.
var clockLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan",
	'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06", 'e': "_2", 'F': "2006-01-02",
	'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'P': "pm",
	'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05",
	'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}

// clockText returns what strftime gives for one conversion in the C locale.
func clockText(letter byte, t time.Time) string {
	if layout, ok := clockLayouts[letter]; ok {
		return t.Format(layout)
	}
	isoYear, isoWeek := t.ISOWeek()
	switch letter {
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100)
	case 'g':
		return fmt.Sprintf("%02d", isoYear%100)
	case 'G':
		return strconv.Itoa(isoYear)
	case 'k':
		return fmt.Sprintf("%2d", t.Hour())
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1)
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'N':
		return fmt.Sprintf("%09d", t.Nanosecond())
	case 's':
		return strconv.FormatInt(t.Unix(), 10)
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1)
	case 'w':
		return strconv.Itoa(int(t.Weekday()))
	case 'U': // weeks begin on Sunday
		return fmt.Sprintf("%02d", (t.YearDay()-1+7-int(t.Weekday()))/7)
	case 'W': // weeks begin on Monday
		return fmt.Sprintf("%02d", (t.YearDay()-1+7-(int(t.Weekday())+6)%7)/7)
	}
	return fmt.Sprintf("%02d", isoWeek) // 'V'
}
