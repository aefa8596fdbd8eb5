package expr

import (
	"math"
	"strconv"
)

var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// parseDecimal reads a number that checkNumber accepts. It fails where the number is
// too large for a float64.
func parseDecimal(b string) (float64, bool) {
	// A mantissa of at most 2^53 and a power of ten up to 22 are both exact, so that
	// one multiplication or division rounds correctly.
	mantissa, places, i, negative := uint64(0), 0, 0, false
	if b[0] == '-' {
		negative, i = true, 1
	}
	point := false
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' {
			point = true
			continue
		}
		if c -= '0'; c > 9 || mantissa > (1<<53-10)/10 {
			return parseSlowly(b)
		}
		mantissa = mantissa*10 + uint64(c)
		if point {
			places++
		}
	}
	if places >= len(powers) {
		return parseSlowly(b)
	}
	f := float64(mantissa)
	if places > 0 {
		f /= powers[places]
	}
	if negative {
		f = -f
	}
	return f, true
}

func parseSlowly(b string) (float64, bool) {
	f, err := strconv.ParseFloat(b, 64)
	return f, err == nil
}

// parseText reads a text that is a number: a decimal as JSON has it, or a hexadecimal,
// with a sign or without. Nothing may stand around it.
func parseText(b string) (float64, bool) {
	sign := 1.0
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		if b[0] == '-' {
			sign = -1
		}
		b = b[1:]
	}
	if len(b) == 0 || b[0] == '-' {
		return 0, false
	}
	if len(b) > 2 && b[0] == '0' && b[1]|0x20 == 'x' {
		f, ok := parseHex(b[2:])
		return sign * f, ok
	}
	if checkDecimal(b) != len(b) {
		return 0, false
	}
	f, ok := parseDecimal(b)
	return sign * f, ok
}

// checkDecimal is checkNumber without a sign and with leading zeros.
func checkDecimal(b string) int {
	zeros := 0
	for zeros+1 < len(b) && b[zeros] == '0' && b[zeros+1]-'0' <= 9 {
		zeros++
	}
	return checkNumber(b, zeros)
}

// parseHex reads hexadecimal digits: exact up to 2^53, then rounded.
func parseHex(b string) (float64, bool) {
	f := 0.0
	for _, c := range bare(b) {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		f = f*16 + float64(d)
	}
	return f, len(b) > 0 && !math.IsInf(f, 0)
}
