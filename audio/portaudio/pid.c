// The number of this process, asked once.
//
// libpulse asks for it at the beginning of nearly each of its functions, lest somebody uses it after a fork:
// 1,200 times a second in a call, a 50th of what the call costs. libc remembered it until 2017 (glibc 2.25).

#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t own; // 0: not known

static void forked(void) { __atomic_store_n(&own, 0, __ATOMIC_SEQ_CST); }

__attribute__((constructor)) static void mind_forks(void) { pthread_atfork(NULL, NULL, forked); }

// getpid takes the place of libc's. What runs between a vfork, or Go's fork, and exec would be told that of the parent,
// but does not ask.
pid_t getpid(void) {
	pid_t pid = __atomic_load_n(&own, __ATOMIC_RELAXED);
	if (pid == 0) __atomic_store_n(&own, pid = (pid_t)syscall(SYS_getpid), __ATOMIC_RELAXED);
	return pid;
}
