// Package memory gives back to the machine what a process that rests does not need. It refuses to
// know when that is, and of what the process is made.
package memory

/*
#define _GNU_SOURCE // dl_iterate_phdr
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

// Each thread that allocates would get a heap of its own, which is never given back, and the sound
// library makes some for every call. Those of them that are in a hurry allocate nothing.
__attribute__((constructor)) static void one_heap(void) { mallopt(M_ARENA_MAX, 1); }

// relocated tells of an object whose code was changed when it was loaded: there is no other copy.
static int relocated(struct dl_phdr_info *o) {
	for (int i = 0; i < o->dlpi_phnum; i++) {
		if (o->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
		for (ElfW(Dyn) *d = (ElfW(Dyn) *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr); d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL)) return 1;
	}
	return 0;
}

static int let_go(struct dl_phdr_info *o, size_t size, void *sum) {
	(void)size;
	if (o->dlpi_addr == getauxval(AT_SYSINFO_EHDR) || relocated(o)) return 0; // the kernel's own is of no file
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	for (int i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &o->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || p->p_flags & PF_W) continue;
		uintptr_t from = (o->dlpi_addr + p->p_vaddr) & -page, to = (o->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & -page;
		if (madvise((void *)from, to - from, MADV_DONTNEED) == 0) *(size_t *)sum += to - from;
	}
	return 0;
}

// The loader's lock is held meanwhile: nothing is unloaded.
static size_t rest(void) {
	size_t sum = 0;
	malloc_trim(0);
	dl_iterate_phdr(let_go, &sum);
	return sum;
}
*/
import "C"

import "runtime/debug"

// Rest gives back what is free of Go's heap and of that of C, and lets go of program and libraries,
// as far as nobody has written to them: whenever a page of a file is needed the kernel maps all
// those around it, on some file systems megabytes, so that after a start, or a call, nearly all of them is in our
// memory. The kernel keeps the pages, and those that are needed come again without being read.
// It returns how many bytes of files may have been mapped. It takes some milliseconds, in which other
// goroutines run; not while sound is played.
func Rest() int {
	debug.FreeOSMemory()
	return int(C.rest())
}
