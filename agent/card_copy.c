// SPDX-License-Identifier: MIT
/* Who copies; see card_copy.h. */
#include "agent/card_copy.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* Slower than this the processor reads no ordinary memory: a third of a core for 1080p at 60 Hz. */
#define SLOW_RATE 1500u      /* bytes a microsecond */
#define BYTES_MIN (1u << 20) /* less says nothing */
#define MEASURED_MIN 4       /* the first times are slower */

void card_copy_init(struct card_copy *copy, int card, enum copy_way way)
{
	*copy = (struct card_copy){ .card = card, .way = way };
}

void card_copy_close(struct card_copy *copy)
{
	if (copy->gl) {
		copy->ops->destroy(copy->gl);
	}
	if (copy->module) {
		dlclose(copy->module);
	}
	copy->gl = NULL;
	copy->module = NULL;
}

/* The module lies beside the program. */
static void *load_module(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(GL_COPY_MODULE));
	char *slash;

	if (n <= 0) {
		return NULL;
	}
	path[n] = '\0';
	slash = strrchr(path, '/');
	memcpy(slash ? slash + 1 : path, GL_COPY_MODULE, sizeof(GL_COPY_MODULE));
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static int open_gl(struct card_copy *copy)
{
	if (copy->gl) {
		return 0;
	}
	copy->module = load_module();
	copy->ops = copy->module ? dlsym(copy->module, GL_COPY_OPS) : NULL;
	if (!copy->ops) {
		const char *error = dlerror();

		log_debug("the card does not copy: %s", error ? error : "no module");
		return -ENOTSUP;
	}
	return copy->ops->create(copy->card, &copy->gl);
}

static bool card_is_faster(const struct card_copy *copy)
{
	return copy->measured[true] < MEASURED_MIN || copy->rate[true] > copy->rate[false];
}

static bool processor_is_slow(const struct card_copy *copy)
{
	return copy->measured[false] >= MEASURED_MIN && copy->rate[false] < SLOW_RATE;
}

bool card_copy_wanted(struct card_copy *copy, bool tiled)
{
	if (copy->failed || (copy->way == COPY_PROCESSOR && !tiled) ||
	    (copy->way == COPY_AUTO && !tiled &&
	     (!processor_is_slow(copy) || !card_is_faster(copy)))) {
		return false;
	}
	if (open_gl(copy) < 0) {
		copy->failed = true;
		card_copy_close(copy);
	}
	return !copy->failed;
}

int card_copy_rows(struct card_copy *copy, const struct gl_copy_source *source, uint8_t *to)
{
	int r = copy->failed ? -ENOTSUP : copy->ops->copy(copy->gl, source, to);

	if (r < 0 && !copy->failed) {
		log_warning(
			"the card cannot copy its screen by EGL; what is in tiles is not seen, and "
			"the rest is read by the processor");
		copy->failed = true;
	}
	return r;
}

void card_copy_note(struct card_copy *copy, bool by_card, uint64_t bytes, uint64_t ns)
{
	uint64_t usec = ns / NSEC_PER_USEC;

	if (bytes < BYTES_MIN || usec == 0) {
		return;
	}
	copy->measured[by_card]++;
	/* The best of all: what else the processor does makes it slower, and nothing faster. */
	if (bytes / usec > copy->rate[by_card]) {
		copy->rate[by_card] = bytes / usec;
	}
}
