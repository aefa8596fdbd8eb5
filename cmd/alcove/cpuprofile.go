package main

import (
	"errors"
	"os"
	"runtime/pprof"

	"github.com/spf13/pflag"
)

// addProfileFlag declares the flag of serve by which `make pgo` learns where a broker
// spends its time. It is no setting: it is not shown, and no file or variable has it.
func addProfileFlag(f *pflag.FlagSet) *string {
	file := f.String("cpuprofile", "", "write a CPU profile of the whole run, in pprof's format")
	if err := f.MarkHidden("cpuprofile"); err != nil {
		panic(err) // it was declared in the line before
	}
	return file
}

// profiled runs a command while a CPU profile of the process is written to a file,
// which is complete when the command has returned. Without a name it only runs it.
func profiled(name string, command func() error) (err error) {
	if name == "" {
		return command()
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return command()
}
