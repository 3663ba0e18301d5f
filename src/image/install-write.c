/*
 * Checks a bundle and writes it: the manifest's signature before anything, each chunk's digest before that
 * is written. What arrives in another order than it should is no bundle.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/str.h"

#include "bundle-frame.h"
#include "install.h"

struct writer {
	const struct install_ends *ends;
	struct manifest manifest;
	uint8_t *chunk; /* MANIFEST_CHUNK bytes */
	uint64_t written;
};

static int is_cut_off(struct err *err)
{
	return err_set(err, -EBADMSG, NULL, "the bundle ends too early");
}

/* The next frame, which must be the file @name. */
static int expect(
	const struct writer *writer, const char *name, struct frame *ret_frame, struct err *err)
{
	int r = frame_read(writer->ends->in, ret_frame);

	if (r <= 0)
		return is_cut_off(err);
	if (str_equal(ret_frame->name, FRAME_ERROR))
		return frame_read_error(writer->ends->in, ret_frame, err);
	if (str_equal(name, MANIFEST_SIGNATURE) && !str_equal(ret_frame->name, name))
		return err_set(err, -EBADMSG, NULL, "the bundle is not signed");
	if (!str_equal(ret_frame->name, name))
		return err_set(err, -EBADMSG, NULL, "the bundle has %s where %s should be",
			ret_frame->name, name);
	return 0;
}

static int read_small(const struct writer *writer, const char *name, size_t max, char **ret_text,
	size_t *ret_size, struct err *err)
{
	struct frame frame;
	int r = expect(writer, name, &frame, err);

	if (r < 0)
		return r;
	r = frame_read_text(writer->ends->in, &frame, max, ret_text);
	if (r == -EFBIG)
		return err_set(err, r, NULL, "%s has more than %zu bytes", name, max);
	*ret_size = (size_t)frame.size;
	return r < 0 ? is_cut_off(err) : 0;
}

static int read_manifest(struct writer *writer, const char *anchors, struct err *err)
{
	_cleanup_free_ char *text = NULL, *signature = NULL, *chain = NULL;
	size_t size, signature_size, chain_size;
	int r = read_small(writer, MANIFEST_NAME, MANIFEST_MAX, &text, &size, err);

	if (r == 0)
		r = read_small(writer, MANIFEST_SIGNATURE, MANIFEST_SIGNATURE_MAX, &signature,
			&signature_size, err);
	if (r == 0)
		r = read_small(writer, MANIFEST_CERT, MANIFEST_CERT_MAX, &chain, &chain_size, err);
	if (r == 0)
		r = manifest_verify(text, size, signature, signature_size, chain, anchors, err);
	if (r == 0)
		r = manifest_parse(text, size, &writer->manifest, err);
	if (r == 0 && frame_write_bytes(writer->ends->out, FRAME_MANIFEST, text, size) < 0)
		r = err_set(err, -EPIPE, NULL, "nobody wants the bundle any more");
	return r;
}

static int write_at(int fd, const uint8_t *bytes, size_t size, uint64_t at)
{
	while (size) {
		ssize_t put = pwrite(fd, bytes, size, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		bytes += put;
		at += (uint64_t)put;
		size -= (size_t)put;
	}
	return 0;
}

static int copy_chunk(struct writer *writer, enum manifest_part part, size_t index, struct err *err)
{
	const struct manifest_file *file = &writer->manifest.files[part];
	uint64_t at = (uint64_t)index * MANIFEST_CHUNK;
	size_t size = file->size - at < MANIFEST_CHUNK ? (size_t)(file->size - at) : MANIFEST_CHUNK;
	uint8_t hash[MANIFEST_DIGEST];
	int r;

	if (frame_read_bytes(writer->ends->in, writer->chunk, size) < 0)
		return is_cut_off(err);
	if (crypto_compat_sha256(writer->chunk, size, hash) != 0 ||
		memcmp(hash, file->chunks[index], sizeof(hash)) != 0)
		return err_set(err, -EBADMSG, NULL,
			"%s is damaged in its chunk %zu: nothing from there on was written",
			manifest_part_names[part], index);
	r = write_at(writer->ends->files[part], writer->chunk, size, at);
	if (r < 0)
		return err_set(err, r, NULL, "%s cannot be written: %s", manifest_part_names[part],
			strerror(-r));
	writer->written += size;
	return frame_write(writer->ends->out, FRAME_WRITTEN, writer->written) < 0 ? -EPIPE : 0;
}

static int copy_part(struct writer *writer, enum manifest_part part, struct err *err)
{
	const struct manifest_file *file = &writer->manifest.files[part];
	struct frame frame;
	int r = expect(writer, manifest_part_names[part], &frame, err);

	if (r == 0 && frame.size != file->size)
		r = err_set(err, -EBADMSG, NULL, "%s has %ju bytes, not the manifest's %ju",
			manifest_part_names[part], (uintmax_t)frame.size, (uintmax_t)file->size);
	for (size_t i = 0; r == 0 && i < file->chunk_count; i++)
		r = copy_chunk(writer, part, i, err);
	return r;
}

int install_write(const struct install_ends *ends, const char *anchors)
{
	struct writer writer = { .ends = ends, .chunk = xmalloc(MANIFEST_CHUNK) };
	_cleanup_err_ struct err err = { 0 };
	char go;
	int r = read_manifest(&writer, anchors, &err);

	if (r == 0 && read(ends->go, &go, 1) != 1)
		r = -EPIPE; /* the first process does not want it, and knows why */
	for (size_t i = 0; r == 0 && i < MANIFEST_PARTS; i++)
		r = copy_part(&writer, i, &err);
	if (r == 0 && frame_write(ends->out, FRAME_DONE, 0) < 0)
		r = -EPIPE;
	if (r < 0 && err.code)
		frame_write_error(ends->out, &err);
	manifest_done(&writer.manifest);
	free(writer.chunk);
	return r < 0;
}
