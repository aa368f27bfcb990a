// SPDX-License-Identifier: MIT
/* The set of held keys; see held_keys.h. */
#include "input/held_keys.h"

#include <string.h>

struct held_key *held_keys_find(struct held_keys *held, uint32_t device, uint32_t code)
{
	for (size_t i = 0; i < held->n; i++) {
		if (held->keys[i].device == device && held->keys[i].code == code) {
			return &held->keys[i];
		}
	}
	return NULL;
}

struct held_key *held_keys_add(struct held_keys *held, uint32_t device, uint32_t code)
{
	struct held_key *key;

	if (held->n == HELD_KEYS_MAX) {
		return NULL;
	}
	key = &held->keys[held->n++];
	*key = (struct held_key){ .device = device, .code = (uint16_t)code };
	return key;
}

void held_keys_remove(struct held_keys *held, struct held_key *key)
{
	size_t after = held->n - (size_t)(key - held->keys) - 1;

	memmove(key, key + 1, after * sizeof(*key));
	held->n--;
}

bool held_keys_any(const struct held_keys *held, uint32_t code, bool live_only)
{
	for (size_t i = 0; i < held->n; i++) {
		if (held->keys[i].code == code && (held->keys[i].live || !live_only)) {
			return true;
		}
	}
	return false;
}
