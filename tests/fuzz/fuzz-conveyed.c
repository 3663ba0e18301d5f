/*
 * What the first configuration comes in: whom to trust, as PEM, a NUL, and the message. What nobody has signed is never
 * taken where it would have to be, whatever it is.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conveyed.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static bool is_taken(const char *anchors, const uint8_t *message, size_t size, bool is_authentic)
{
	struct conveyed_rules rules = { is_authentic, anchors, "1" };
	_cleanup_(buf_done) struct buf config = { 0 };
	bool is_merge;

	return conveyed_open(message, size, &rules, &config, &is_merge, NULL) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const uint8_t *end = memchr(input, 0, size);
	const char *anchors = (const char *)input;

	if (!end)
		return 0;
	size -= (size_t)(end + 1 - input);
	assert(!is_taken("", end + 1, size, false));
	if (is_taken(anchors, end + 1, size, false))
		assert(is_taken(anchors, end + 1, size, true));
	return 0;
}
