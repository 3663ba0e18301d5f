/*
 * NETCONF framing. End-of-message: everything up to "]]>]]>" (RFC 6242 section 4.3), which may be
 * split anywhere; the search restarts five bytes before what is new. Chunked: a state machine over
 * the bytes of chunk headers, with the data of a chunk copied in one go. A chunk that would make the
 * message too large is refused when its size is known, before its data has come.
 *
 * Blanks before a message are dropped in end-of-message framing: people's scripts send a line feed
 * after the separator, and an XML declaration must come first.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nc-frame.h"

#define SEPARATOR      "]]>]]>"
#define SEPARATOR_SIZE (sizeof(SEPARATOR) - 1)
#define CHUNK_END      "\n##\n"

void nc_frame_init(struct nc_frame *frame, size_t max)
{
	*frame = (struct nc_frame){ .max = max };
	buf_init(&frame->message, 0);
}

void nc_frame_done(struct nc_frame *frame)
{
	buf_done(&frame->message);
}

bool nc_frame_is_open(const struct nc_frame *frame)
{
	return frame->state != NC_FRAME_START || frame->message.length;
}

static int too_big(const struct nc_frame *frame, struct err *err)
{
	err_tagged(err, ERR_TAG_TOO_BIG, NULL, "the message is larger than %zu bytes", frame->max);
	if (err)
		err->type = ERR_TYPE_RPC;
	return -EMSGSIZE;
}

static int broken(struct err *err, const char *what)
{
	err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "broken framing: %s", what);
	if (err)
		err->type = ERR_TYPE_RPC;
	return -EBADMSG;
}

static void append(struct nc_frame *frame, const char *data, size_t size)
{
	/* Without ceiling in the queue: the limit was compared before. */
	(void)!buf_append(&frame->message, data, size);
}

static size_t count_blanks(const char *data, size_t size)
{
	size_t i = 0;

	while (i < size && strchr(" \t\r\n", data[i]) && data[i])
		i++;
	return i;
}

/* How many of the bytes to look at: no more than to the first separator that lies wholly in them. */
static size_t piece(const char *data, size_t size)
{
	const char *found = memmem(data, size, SEPARATOR, SEPARATOR_SIZE);

	return found ? (size_t)(found - data) + SEPARATOR_SIZE : size;
}

static int next_separated(
	struct nc_frame *frame, const char *data, size_t size, size_t *ret_used, struct err *err)
{
	size_t before = frame->message.length, blanks = 0, wanted, from;
	size_t room = frame->max + SEPARATOR_SIZE - before;
	const char *bytes, *found;

	if (!before)
		blanks = count_blanks(data, size);
	wanted = piece(data + blanks, size - blanks);
	append(frame, data + blanks, wanted < room ? wanted : room);
	bytes = buf_bytes(&frame->message);
	from = before < SEPARATOR_SIZE ? 0 : before - (SEPARATOR_SIZE - 1);
	found = memmem(bytes + from, frame->message.length - from, SEPARATOR, SEPARATOR_SIZE);
	if (!found) {
		if (wanted >= room)
			return too_big(frame, err);
		*ret_used = size;
		return 0;
	}
	*ret_used = blanks + (size_t)(found - bytes) + SEPARATOR_SIZE - before;
	buf_truncate(&frame->message, (size_t)(found - bytes));
	return 1;
}

/* One digit of a chunk's size, checked against what the message may still grow. */
static int take_digit(struct nc_frame *frame, char c, struct err *err)
{
	uint64_t value = (uint64_t)frame->left * 10 + (uint64_t)(c - '0');

	if (value > UINT32_MAX)
		return broken(err, "a chunk larger than 4294967295");
	frame->left = (uint32_t)value;
	if (frame->left > frame->max - frame->message.length)
		return too_big(frame, err);
	return 0;
}

static int expect(
	struct nc_frame *frame, char c, char wanted, enum nc_frame_state next, struct err *err)
{
	if (c != wanted)
		return broken(err, "not a chunk header");
	frame->state = next;
	return 0;
}

/* One byte outside of chunk data; 1 when the message is complete. */
static int take_header(struct nc_frame *frame, char c, struct err *err)
{
	switch (frame->state) {
	case NC_FRAME_START:
		return expect(frame, c, '\n', NC_FRAME_HASH, err);
	case NC_FRAME_HASH:
		return expect(frame, c, '#', NC_FRAME_SIZE, err);
	case NC_FRAME_NEXT:
		return expect(frame, c, '\n', NC_FRAME_NEXT_HASH, err);
	case NC_FRAME_NEXT_HASH:
		return expect(frame, c, '#', NC_FRAME_NEXT_SIZE, err);
	case NC_FRAME_SIZE:
	case NC_FRAME_NEXT_SIZE:
		if (c == '#' && frame->state == NC_FRAME_NEXT_SIZE) {
			frame->state = NC_FRAME_END;
			return 0;
		}
		if (c < '1' || c > '9')
			return broken(err, "not a chunk size");
		frame->state = NC_FRAME_DIGITS;
		frame->left = 0;
		return take_digit(frame, c, err);
	case NC_FRAME_DIGITS:
		if (c == '\n') {
			frame->state = NC_FRAME_DATA;
			return 0;
		}
		if (c < '0' || c > '9')
			return broken(err, "not a chunk size");
		return take_digit(frame, c, err);
	case NC_FRAME_END:
		if (expect(frame, c, '\n', NC_FRAME_START, err) < 0)
			return -EBADMSG;
		return 1;
	case NC_FRAME_DATA:
		break;
	}
	assert(false);
	return -EBADMSG;
}

static int next_chunked(
	struct nc_frame *frame, const char *data, size_t size, size_t *ret_used, struct err *err)
{
	size_t at = 0;

	while (at < size) {
		size_t part = size - at;
		int ret;

		if (frame->state != NC_FRAME_DATA) {
			ret = take_header(frame, data[at++], err);
			if (ret < 0)
				return ret;
			if (ret > 0) {
				*ret_used = at;
				return 1;
			}
			continue;
		}
		if (part > frame->left)
			part = frame->left;
		append(frame, data + at, part);
		at += part;
		frame->left -= (uint32_t)part;
		if (!frame->left)
			frame->state = NC_FRAME_NEXT;
	}
	*ret_used = size;
	return 0;
}

int nc_frame_next(
	struct nc_frame *frame, const char *data, size_t size, size_t *ret_used, struct err *err)
{
	if (frame->is_chunked)
		return next_chunked(frame, data, size, ret_used, err);
	return next_separated(frame, data, size, ret_used, err);
}

size_t nc_frame_head(char *head, bool is_chunked, size_t size)
{
	int length;

	if (!is_chunked)
		return 0;
	assert(size > 0 && size <= UINT32_MAX);
	length = snprintf(head, NC_FRAME_HEAD_MAX, "\n#%zu\n", size);
	assert(length > 0 && length < NC_FRAME_HEAD_MAX);
	return (size_t)length;
}

const char *nc_frame_tail(bool is_chunked)
{
	return is_chunked ? CHUNK_END : SEPARATOR;
}
