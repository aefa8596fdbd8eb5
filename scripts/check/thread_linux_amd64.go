package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// What package syscall does not name.
const (
	exitKill  = 0x100000 // PTRACE_O_EXITKILL: the process ends with its tracer
	sysGetCPU = 309
)

// stay binds the calling thread, and what it starts, to the processor it is on. A step
// is then a change of threads and no message between two processors. Where the system
// refuses, steps are only slower.
func stay() {
	var cpu uint32
	var mask [16]uint64
	_, _, e := syscall.RawSyscall(sysGetCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	if e != 0 || cpu >= uint32(len(mask)*64) {
		return
	}
	mask[cpu/64] = 1 << (cpu % 64)
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
}

// wait waits until one thread stops. Its end is an error.
func wait(tid int) (sig syscall.Signal, err error) {
	var status syscall.WaitStatus
	for {
		_, err = syscall.Wait4(tid, &status, syscall.WALL, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil && !status.Stopped() {
		err = ended(status)
	}
	return status.StopSignal(), err
}

// ended is the error of a process that has ended.
func ended(s syscall.WaitStatus) error {
	if s.Signaled() {
		return fmt.Errorf("the benchmarks ended: %v", s.Signal())
	}
	return fmt.Errorf("the benchmarks ended with status %d", s.ExitStatus())
}

// resume lets a thread run on with the signal that it stopped for, if that is one of
// its own and none of tracing's.
func resume(tid int, sig syscall.Signal) error {
	if sig == syscall.SIGTRAP || sig == syscall.SIGSTOP {
		sig = 0
	}
	return syscall.PtraceCont(tid, int(sig))
}

// halt stops all threads of a process but one, and returns those which it stopped.
func halt(pid int, threads map[int]bool, but int) (halted []int, err error) {
	for tid := range threads {
		if tid == but {
			continue
		}
		_, _, e := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGSTOP))
		if e != 0 {
			continue // it has ended
		}
		for {
			sig, err := wait(tid)
			if err != nil {
				return nil, err
			}
			if sig == syscall.SIGSTOP {
				break
			}
			if err := resume(tid, sig); err != nil {
				return nil, err
			}
		}
		halted = append(halted, tid)
	}
	return halted, nil
}

// steps counts the instructions of a thread up to the mark, in where by their addresses if
// that is not nil.
func steps(tid int, where map[uint64]int64) (int64, error) {
	var regs syscall.PtraceRegs
	for n := int64(0); n < maxSteps; n++ {
		if where != nil {
			if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
				return 0, err
			}
			where[regs.Rip]++
		}
		if err := syscall.PtraceSingleStep(tid); err != nil {
			return 0, err
		}
		switch sig, err := wait(tid); {
		case err != nil:
			return 0, err
		case sig == markSignal:
			return n, nil
		case sig != syscall.SIGTRAP:
			return 0, fmt.Errorf("%v in the middle of a benchmark", sig)
		}
	}
	return 0, fmt.Errorf("%d operations take more than %d instructions: no hot path", counted, maxSteps)
}

// peek reads a word of a thread's memory.
func peek(tid int, at uintptr) (uint64, error) {
	var b [8]byte
	_, err := syscall.PtracePeekData(tid, at, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// poke writes one.
func poke(tid int, at uintptr, v uint64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	_, err := syscall.PtracePokeData(tid, at, b[:])
	return err
}
