package portaudio

// PortAudio asks every card and plugin that ALSA and JACK can name, and both print
// a line for each that does not answer: some 85 lines at each start. Neither
// PortAudio nor its binding can turn that off, but the two libraries have a hook
// for it. They are looked up at run time because they come with PortAudio, or not
// at all.

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static void alsa_quiet(const char *file, int line, const char *function, int err, const char *fmt, ...) {
	(void)file; (void)line; (void)function; (void)err; (void)fmt;
}
static void jack_quiet(const char *message) { (void)message; }

typedef int (*set_alsa)(void (*)(const char *, int, const char *, int, const char *, ...));
typedef void (*set_jack)(void (*)(const char *));

static void quiet_libraries(void) {
	set_alsa alsa = (set_alsa)dlsym(RTLD_DEFAULT, "snd_lib_error_set_handler");
	if (alsa != NULL) alsa(alsa_quiet);
	set_jack jack = (set_jack)dlsym(RTLD_DEFAULT, "jack_set_error_function");
	if (jack != NULL) jack(jack_quiet);
	jack = (set_jack)dlsym(RTLD_DEFAULT, "jack_set_info_function");
	if (jack != NULL) jack(jack_quiet);
}
*/
import "C"

func quiet() { C.quiet_libraries() }
