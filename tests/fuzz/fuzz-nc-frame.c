/* NETCONF framing: cut at two places or not at all, the messages and the end are the same. */
#include <assert.h>
#include <string.h>

#include "nc-frame.h"

#define MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All messages behind one another, each ended by a NUL; how it ended: more needed or an error. */
static int feed(
	const uint8_t *data, size_t size, const size_t cuts[2], bool is_chunked, struct buf *out)
{
	struct nc_frame frame;
	size_t at = 0, used = 0;
	int ret = 0;

	nc_frame_init(&frame, MAX);
	frame.is_chunked = is_chunked;
	while (at < size && ret >= 0) {
		size_t end = at < cuts[0] ? cuts[0] : at < cuts[1] ? cuts[1] : size;

		ret = nc_frame_next(&frame, (const char *)data + at, end - at, &used, NULL);
		if (ret < 0)
			break;
		assert(used <= end - at && (ret == 1 || used == end - at));
		at += used;
		assert(frame.message.length <= MAX + 5);
		if (ret == 1) {
			assert(frame.message.length <= MAX);
			(void)!buf_append(out, buf_bytes(&frame.message), frame.message.length);
			(void)!buf_append(out, "", 1);
			buf_clear(&frame.message);
		}
	}
	nc_frame_done(&frame);
	return ret < 0 ? ret : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_done) struct buf whole = { 0 }, parts = { 0 };
	const size_t none[2] = { 0, 0 };
	size_t cuts[2];
	int ret;

	if (size < 3)
		return 0;
	cuts[0] = data[1] < size - 3 ? data[1] : size - 3;
	cuts[1] = cuts[0] + data[2] < size - 3 ? cuts[0] + data[2] : size - 3;
	ret = feed(data + 3, size - 3, none, data[0] & 1, &whole);
	assert(ret == feed(data + 3, size - 3, cuts, data[0] & 1, &parts));
	assert(whole.length == parts.length);
	assert(memcmp(buf_bytes(&whole), buf_bytes(&parts), whole.length) == 0);
	return 0;
}
