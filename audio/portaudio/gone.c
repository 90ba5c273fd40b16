#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

typedef struct _snd_pcm snd_pcm_t;

// snd_pcm_drop stands before that of ALSA. A card that was pulled out while it played cannot be stopped, and
// PortAudio does not close what it could not stop (Pa_CloseStream, its ticket 115: "shouldn't we close anyway?"):
// it would stay open, and the kernel waits for that, until the process ends. What is gone has stopped.
int snd_pcm_drop(snd_pcm_t *pcm) {
	int (*drop)(snd_pcm_t *) = (int (*)(snd_pcm_t *))dlsym(RTLD_NEXT, "snd_pcm_drop");
	int err = drop ? drop(pcm) : -ENOSYS;
	return err == -ENODEV ? 0 : err;
}
