package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// count runs a process that does warmUp+counted operations of each benchmark, and
// returns how many instructions the last of them took together, benchmark by benchmark
// in the order in which they ran.
//
// Why by single steps: virtual machines seldom have counters of instructions, and time is
// anybody's guess on a shared one. A step is counted alike everywhere, twice the same.
// While operations are stepped every other thread stands still, so that neither the
// scheduler's watchman nor a timer gets into the count. A step takes 20 µs where the
// hypervisor is asked each time; therefore so few operations.
func count(ctx context.Context, p process) ([]int64, error) {
	l, err := findLoop(p.args[0])
	if err != nil {
		return nil, err
	}
	t := tracer{loop: l, threads: map[int]bool{}, where: p.where}
	done := make(chan error, 1)
	go func() {
		// The system knows the tracer as a thread. This one is bound to a processor
		// and ends with the goroutine.
		runtime.LockOSThread()
		done <- t.trace(ctx, p)
	}()
	err = errors.Join(<-done, ctx.Err())
	return t.counts, err
}

// The mark is an instruction that no processor carries out. Who comes to it stops with a
// signal of its own, so that one step takes two system calls and no look at registers.
const markSignal = syscall.SIGILL

var markCode = [2]byte{0x0F, 0x0B} // UD2

// phase is what the tracer waits for.
type phase uint8

const (
	toBegin  phase = iota // the first call of loopMark by a benchmark
	toWarm                // its return: the operations that warm up follow
	toCount               // the call after those
	toFinish              // the return of the last call
)

// tracer drives one process through its benchmarks.
type tracer struct {
	loop    loop
	pid     int
	threads map[int]bool

	phase  phase
	mark   uintptr // where markCode stands
	under  [2]byte // in place of what
	b      uintptr // the testing.B of the benchmark that runs
	counts []int64
	where  map[uint64]int64 // see process
}

// trace starts the process and stays with it to its end.
func (t *tracer) trace(ctx context.Context, p process) error {
	stay()
	child, err := os.StartProcess(p.args[0], p.args, &os.ProcAttr{
		Dir: p.dir, Env: p.env, Files: []*os.File{nil, p.out, p.out}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		return fmt.Errorf("%w: tracing a child: %w", errNotCounted, err)
	}
	if err != nil {
		return err
	}
	t.pid = child.Pid
	defer context.AfterFunc(ctx, func() { _ = syscall.Kill(t.pid, syscall.SIGKILL) })()
	if _, err := wait(t.pid); err != nil {
		return err
	}
	t.threads[t.pid] = true
	err = syscall.PtraceSetOptions(t.pid, syscall.PTRACE_O_TRACECLONE|exitKill)
	if err == nil {
		err = t.goTo(t.pid, t.loop.mark)
	}
	if err == nil {
		err = t.attend()
	}
	if err != nil {
		_ = syscall.Kill(t.pid, syscall.SIGKILL) // ESRCH: it has ended already
	}
	return errors.Join(err, child.Release())
}

// attend handles what the process's threads stop for, until it ends.
func (t *tracer) attend() error {
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case !status.Stopped() && tid == t.pid:
			if status.ExitStatus() != 0 {
				return ended(status)
			}
			return nil
		case !status.Stopped():
			delete(t.threads, tid)
			continue
		}
		t.threads[tid] = true
		if status.StopSignal() == markSignal {
			err = t.marked(tid)
		} else {
			err = resume(tid, status.StopSignal())
		}
		// ESRCH: the process is ending, which is told next.
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
}

// marked goes on with a thread that has come to the mark.
func (t *tracer) marked(tid int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if uintptr(regs.Rip) != t.mark {
		return fmt.Errorf("an illegal instruction at %#x", regs.Rip)
	}
	back, err := peek(tid, uintptr(regs.Rsp)) // where a call returns to
	if err != nil {
		return err
	}
	switch t.phase {
	case toBegin:
		t.b = uintptr(regs.Rax) // the receiver
		t.phase = toWarm
		return errors.Join(t.clear(tid), t.goTo(tid, uintptr(back)))
	case toWarm:
		t.phase = toCount
		return errors.Join(t.clear(tid), poke(tid, t.b+t.loop.n, warmUp), t.goTo(tid, t.loop.mark))
	case toCount:
		t.phase = toFinish
		return t.operations(tid, regs, back)
	default:
		t.phase = toBegin
		return errors.Join(t.clear(tid), t.goTo(tid, t.loop.mark))
	}
}

// operations counts the instructions from the call of loopMark after the warm-up to
// the next one. The call is answered in its place: yes, and these are still to come.
func (t *tracer) operations(tid int, regs syscall.PtraceRegs, back uint64) error {
	begun, err := peek(tid, t.b+t.loop.i)
	if err == nil && begun != warmUp {
		err = fmt.Errorf("the warm-up ended after %d operations", begun)
	}
	if err != nil {
		return err
	}
	regs.Rip, regs.Rsp, regs.Rax = back, regs.Rsp+8, 1
	err = errors.Join(syscall.PtraceSetRegs(tid, &regs), poke(tid, t.b+t.loop.i, begun+1), poke(tid, t.b+t.loop.n, warmUp+counted))
	if err != nil {
		return err
	}
	halted, err := halt(t.pid, t.threads, tid)
	if err != nil {
		return err
	}
	n, err := steps(tid, t.where)
	for _, other := range halted {
		err = errors.Join(err, syscall.PtraceCont(other, 0))
	}
	if err != nil {
		return err
	}
	t.counts = append(t.counts, n)
	return errors.Join(t.clear(tid), t.goTo(tid, uintptr(back)))
}

// goTo sets the mark and lets a thread run.
func (t *tracer) goTo(tid int, mark uintptr) error {
	t.mark = mark
	if _, err := syscall.PtracePeekText(tid, mark, t.under[:]); err != nil {
		return err
	}
	if _, err := syscall.PtracePokeText(tid, mark, markCode[:]); err != nil {
		return err
	}
	return syscall.PtraceCont(tid, 0)
}

// clear puts back what stood in the mark's place.
func (t *tracer) clear(tid int) error {
	_, err := syscall.PtracePokeText(tid, t.mark, t.under[:])
	return err
}
