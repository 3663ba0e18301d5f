/*
 * A file read through digest and size check into libarchive. Only what image tools write is
 * understood: tar, plain or compressed by gzip, zstd or xz.
 */
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "digest.h"
#include "stream.h"

struct stream {
	int fd;
	uint64_t seen, max;
	bool has_digest;
	struct digest digest;
	char bytes[STREAM_STEP];
};

int stream_new(
	int fd, const char *algorithm, uint64_t max, struct stream **ret_stream, struct err *err)
{
	_cleanup_(stream_freep) struct stream *stream = XNEW(struct stream);

	stream->fd = fd;
	stream->max = max;
	stream->has_digest = algorithm;
	if (algorithm && digest_init(&stream->digest, algorithm) < 0)
		return err_set(
			err, -EOPNOTSUPP, NULL, "checksums by %s are not possible here", algorithm);
	*ret_stream = TAKE(stream);
	return 0;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->has_digest)
		digest_done(&stream->digest);
	free(stream);
}

/* 0 at the end; -EFBIG beyond the limit. */
static ssize_t stream_read(struct stream *stream)
{
	ssize_t got;

	do
		got = read(stream->fd, stream->bytes, sizeof(stream->bytes));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	stream->seen += (uint64_t)got;
	if (stream->seen > stream->max)
		return -EFBIG;
	if (stream->has_digest)
		digest_add(&stream->digest, stream->bytes, (size_t)got);
	return got;
}

static la_ssize_t on_read(struct archive *archive, void *arg, const void **ret_bytes)
{
	struct stream *stream = arg;
	ssize_t got = stream_read(stream);

	*ret_bytes = stream->bytes;
	if (got < 0)
		archive_set_error(archive, (int)-got, "%s", strerror((int)-got));
	return got < 0 ? ARCHIVE_FATAL : got;
}

int stream_err(struct err *err, struct archive *archive, const char *what)
{
	const char *text = archive_error_string(archive);

	return err_set(err, -EBADMSG, NULL, "%s cannot be read: %s", what,
		text ? text : "not a tar archive");
}

int stream_open_tar(struct stream *stream, struct archive **ret_archive, struct err *err)
{
	_cleanup_(archive_freep) struct archive *archive = archive_read_new();

	if (!archive)
		return err_set(err, -ENOMEM, NULL, "no memory to read an archive");
	if (archive_read_support_filter_gzip(archive) < ARCHIVE_WARN ||
		archive_read_support_filter_zstd(archive) < ARCHIVE_WARN ||
		archive_read_support_filter_xz(archive) < ARCHIVE_WARN ||
		archive_read_support_format_tar(archive) < ARCHIVE_WARN ||
		archive_read_support_format_empty(archive) < ARCHIVE_WARN ||
		archive_read_open(archive, stream, NULL, on_read, NULL) < ARCHIVE_WARN)
		return stream_err(err, archive, "the archive");
	*ret_archive = TAKE(archive);
	return 0;
}

int stream_finish(struct stream *stream, const char *expected, const char *what, struct err *err)
{
	char text[DIGEST_TEXT_MAX];
	ssize_t got;

	do
		got = stream_read(stream);
	while (got > 0);
	if (got < 0)
		return err_set(
			err, (int)got, NULL, "%s cannot be read: %s", what, strerror((int)-got));
	if (!stream->has_digest || !expected)
		return 0;
	digest_text(&stream->digest, text);
	if (strcasecmp(text, expected) != 0)
		return err_set(
			err, -EBADMSG, NULL, "%s has checksum %s, not %s", what, text, expected);
	return 0;
}
