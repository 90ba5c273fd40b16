// How late the timers of Go's threads may be.
//
// How long a sleep really is, the kernel decides: as much longer as the slack of the thread's
// timers allows, 50 microseconds unless told otherwise. Threads take the slack of the one that makes
// them, so it is set before Go has any.

#define _GNU_SOURCE // RTLD_NEXT
#include <dlfcn.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

// It comes too late for nothing here: frames for the loudspeaker are made milliseconds before they are needed.
#define WORKERS 500000UL // ns

// Go's monitor looks after threads that are busy for long. A process that computes for a millisecond
// every ten wakes it each time, and it sleeps for 20 microseconds, again and again, until the
// process rests. With this slack one such sleep spans two packets each way. Where the processor
// is busy, the kernel's tick ends the sleep sooner, so that those who compute for long are interrupted as
// ever. It would be too late for who is ready while all of Go's processors wait in C or in the kernel, since the
// monitor looks twice before it takes one away. So the program has one to spare (cmd/intercomd/main.go): who is ready
// then waits less often than with a quarter of this slack and none to spare (docs/benchmarks.md).
#define MONITOR 40000000UL // ns

static int threads = -1; // made by Go so far; -1: others may make them

__attribute__((constructor)) static void lazy_timers(void) {
	prctl(PR_SET_TIMERSLACK, WORKERS);
	__atomic_store_n(&threads, 0, __ATOMIC_SEQ_CST);
}

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

// pthread_create takes the place of libc's, since the slack of a thread is for itself, and for who
// makes it, to choose. The first one that Go makes is its monitor, which makes workers in turn.
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
	static create *libc;
	create *make = __atomic_load_n(&libc, __ATOMIC_SEQ_CST);
	if (make == NULL) __atomic_store_n(&libc, make = (create *)dlsym(RTLD_NEXT, "pthread_create"), __ATOMIC_SEQ_CST);
	unsigned long own = (unsigned long)prctl(PR_GET_TIMERSLACK), its = own == MONITOR ? WORKERS : own;
	int none = 0;
	if (__atomic_compare_exchange_n(&threads, &none, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && sysconf(_SC_NPROCESSORS_ONLN) > 1) its = MONITOR;
	if (its != own) prctl(PR_SET_TIMERSLACK, its);
	int error = make(thread, attr, start, arg);
	if (its != own) prctl(PR_SET_TIMERSLACK, own);
	return error;
}
