/* A byte queue with a ceiling: appended at the end, consumed from the front. */
#ifndef ASHLAR_BUF_H
#define ASHLAR_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/mem.h"

struct buf {
	char *data;    /* start of the allocation */
	size_t start;  /* first byte not yet consumed */
	size_t length; /* bytes held */
	size_t room;   /* size of the allocation */
	size_t max;    /* ceiling for length; 0: none (only for what no peer controls) */
};

/* A zeroed struct buf is an empty one without ceiling. */
void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);
/* The bytes held: buf_bytes(b)[0 … b->length - 1], followed by a NUL that is not counted. */
char *buf_bytes(const struct buf *buf);
/* -ENOBUFS beyond the ceiling, with nothing appended. */
int buf_append(struct buf *buf, const void *data, size_t size) WARN_UNUSED;
int buf_append_str(struct buf *buf, const char *text) WARN_UNUSED;
int buf_printf(struct buf *buf, const char *format, ...) PRINTF(2, 3) WARN_UNUSED;
/*
 * Room for at least @size further bytes at the end (ignoring the ceiling); write there, then
 * buf_extend() by what was written.
 */
void *buf_reserve(struct buf *buf, size_t size);
void buf_extend(struct buf *buf, size_t size);
/* Drops @size bytes from the front; gives large memory back when the queue runs empty. */
void buf_consume(struct buf *buf, size_t size);
void buf_truncate(struct buf *buf, size_t length);
void buf_clear(struct buf *buf);
/* The bytes as a malloc'd NUL-terminated string; the buffer is empty afterwards. */
char *buf_take(struct buf *buf);

#endif
