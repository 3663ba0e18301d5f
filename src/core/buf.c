/*
 * A byte queue with a ceiling. The bytes lie in one piece at data[start], so that readers need no
 * cases; the front is dropped by moving start, and moved down only when room is wanted and more has
 * been consumed than is held (each byte is thus moved at most once per time it was appended).
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/buf.h"

#define ROOM_MIN  ((size_t)256)
#define ROOM_KEEP ((size_t)65536) /* larger memory is given back when the queue runs empty */

/* Stands for the bytes of a buffer that never held any. */
static char nothing[1];

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void buf_done(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

char *buf_bytes(const struct buf *buf)
{
	return buf->data ? buf->data + buf->start : nothing;
}

static void terminate(struct buf *buf)
{
	if (buf->data)
		buf->data[buf->start + buf->length] = '\0';
}

static bool fits(const struct buf *buf, size_t size)
{
	return !buf->max || (buf->length <= buf->max && size <= buf->max - buf->length);
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
	if (!fits(buf, size))
		return -ENOBUFS;
	if (!size)
		return 0;
	memcpy(buf_reserve(buf, size), data, size);
	buf_extend(buf, size);
	return 0;
}

int buf_append_str(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	size_t room = buf->data ? buf->room - buf->start - buf->length : 0;
	char *tail = room ? buf->data + buf->start + buf->length : NULL;
	va_list ap;
	int length;

	va_start(ap, format);
	length = vsnprintf(tail, room, format, ap);
	va_end(ap);
	if (length < 0 || !fits(buf, (size_t)length)) {
		terminate(buf);
		return length < 0 ? -EINVAL : -ENOBUFS;
	}
	if ((size_t)length >= room) {
		tail = buf_reserve(buf, (size_t)length);
		va_start(ap, format);
		(void)vsnprintf(tail, (size_t)length + 1, format, ap);
		va_end(ap);
	}
	buf_extend(buf, (size_t)length);
	return 0;
}

void *buf_reserve(struct buf *buf, size_t size)
{
	size_t need, room;

	assert(size < SIZE_MAX / 4 && buf->length < SIZE_MAX / 4);
	need = buf->length + size + 1;
	if (need > buf->room - buf->start && buf->start > buf->length && need <= buf->room) {
		memmove(buf->data, buf->data + buf->start, buf->length + 1);
		buf->start = 0;
	}
	if (need > buf->room - buf->start) {
		for (room = buf->room ? buf->room : ROOM_MIN; room < buf->start + need;)
			room *= 2;
		buf->data = xrealloc(buf->data, room);
		buf->room = room;
		terminate(buf);
	}
	return buf->data + buf->start + buf->length;
}

void buf_extend(struct buf *buf, size_t size)
{
	if (!size)
		return;
	assert(size < buf->room - buf->start - buf->length);
	buf->length += size;
	terminate(buf);
}

static void emptied(struct buf *buf)
{
	buf->start = 0;
	if (buf->room > ROOM_KEEP)
		buf_done(buf);
}

void buf_consume(struct buf *buf, size_t size)
{
	assert(size <= buf->length);
	buf->start += size;
	buf->length -= size;
	if (!buf->length)
		emptied(buf);
	terminate(buf);
}

void buf_truncate(struct buf *buf, size_t length)
{
	assert(length <= buf->length);
	buf->length = length;
	if (!buf->length)
		emptied(buf);
	terminate(buf);
}

void buf_clear(struct buf *buf)
{
	buf_truncate(buf, 0);
}

char *buf_take(struct buf *buf)
{
	char *text = buf->data;

	if (!text)
		return xstrdup("");
	if (buf->start)
		memmove(text, text + buf->start, buf->length + 1);
	if (buf->room / 2 > buf->length)
		text = xrealloc(text, buf->length + 1);
	buf_init(buf, buf->max);
	return text;
}
