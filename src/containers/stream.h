/* A file read through digest and size check into libarchive. */
#ifndef CONTAINERS_STREAM_H
#define CONTAINERS_STREAM_H

#include <archive.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

#define STREAM_STEP ((size_t)65536)

struct stream;

/*
 * Over @fd, which stays the caller's. @algorithm may be NULL: nothing is summed. More than @max bytes
 * are an error of the archive.
 */
int stream_new(int fd, const char *algorithm, uint64_t max, struct stream **ret_stream,
	struct err *err) WARN_UNUSED;
void stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream *, stream_free)
/* A reader of tar, plain or compressed, over the stream; archive_read_free() it before the stream. */
int stream_open_tar(
	struct stream *stream, struct archive **ret_archive, struct err *err) WARN_UNUSED;
/* Reads what is left and compares the digest; -EBADMSG. */
int stream_finish(
	struct stream *stream, const char *expected, const char *what, struct err *err) WARN_UNUSED;

static inline void archive_freep(struct archive **archive)
{
	if (*archive)
		archive_read_free(*archive);
}

/* libarchive's words as ours. */
int stream_err(struct err *err, struct archive *archive, const char *what);

#endif
