package main

import "errors"

const (
	// warmUp operations run at full speed before those that are counted: what grows
	// once has grown, what is remembered is remembered. It is more than any benchmark
	// has different inputs.
	warmUp = 2048
	// counted operations are stepped. Most benchmarks take as many instructions each time.
	counted = 4
	// maxSteps ends the count of a benchmark that is no part of a hot path.
	maxSteps = 2_000_000
)

// errNotCounted says that instructions cannot be counted here. It does not say that
// anything is wrong with the benchmarks.
var errNotCounted = errors.New("instructions cannot be counted here")
