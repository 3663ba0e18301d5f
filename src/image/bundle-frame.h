/* What the processes of an installation tell each other through pipes: a name, a size, and that many bytes. */
#ifndef IMAGE_BUNDLE_FRAME_H
#define IMAGE_BUNDLE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"

#define FRAME_NAME_MAX 24
#define FRAME_TEXT_MAX ((size_t)4096) /* of an error */

/* Of a file of the bundle its name; and these. */
#define FRAME_ERROR    "!error"	   /* the reason */
#define FRAME_MANIFEST "!manifest" /* verified: its text */
#define FRAME_WRITTEN  "!written"  /* no bytes follow: the size is how many were written */
#define FRAME_DONE     "!done"	   /* likewise nothing */

struct frame {
	char name[FRAME_NAME_MAX]; /* ends with NUL */
	uint64_t size;
};

int frame_write(int fd, const char *name, uint64_t size) WARN_UNUSED;
/* With all its bytes. */
int frame_write_bytes(int fd, const char *name, const void *bytes, size_t size) WARN_UNUSED;
/* 1, or 0 when the other end was closed. */
int frame_read(int fd, struct frame *ret_frame) WARN_UNUSED;
/* Exactly so many; -EPIPE. */
int frame_read_bytes(int fd, void *bytes, size_t size) WARN_UNUSED;
/* All of a frame's bytes, at most @max; NUL-terminated, malloc'd. -EFBIG. */
int frame_read_text(int fd, const struct frame *frame, size_t max, char **ret_text) WARN_UNUSED;
/* The error that a frame named FRAME_ERROR tells, whose bytes follow; returns its code. */
int frame_read_error(int fd, const struct frame *frame, struct err *err);
/* Tells an error: its errno and its words. */
void frame_write_error(int fd, const struct err *err);

#endif
