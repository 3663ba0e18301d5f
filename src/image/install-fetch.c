/*
 * Gets a bundle, from a file, a server or a registry, and takes it apart: nothing that is said here is
 * believed by anybody before it is verified. libarchive reads the tar.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/str.h"

#include "bundle-frame.h"
#include "install.h"
#include "registry.h"

#define STEP	   ((size_t)65536)
#define BUNDLE_MAX ((uint64_t)2 << 30)
#define FILES_MAX  16

struct source {
	int fd;			   /* -1: the transfer */
	struct transfer *transfer; /* NULL: the file */
	struct err err;
	char bytes[STEP];
};

static ssize_t source_read(struct source *source)
{
	ssize_t got;

	if (source->transfer)
		return transfer_read(
			source->transfer, source->bytes, sizeof(source->bytes), &source->err);
	do
		got = read(source->fd, source->bytes, sizeof(source->bytes));
	while (got < 0 && errno == EINTR);
	return got < 0 ? err_set(&source->err, -errno, NULL, "%s", strerror(errno)) : got;
}

static la_ssize_t on_read(struct archive *archive, void *arg, const void **ret_bytes)
{
	struct source *source = arg;
	ssize_t got = source_read(source);

	*ret_bytes = source->bytes;
	if (got < 0)
		archive_set_error(archive, EIO, "%s", err_text(&source->err));
	return got < 0 ? ARCHIVE_FATAL : got;
}

/* The source's own reason, or libarchive's words. */
static int not_a_tar(struct archive *archive, struct source *source, struct err *err)
{
	const char *text = archive_error_string(archive);

	if (source->err.code)
		return err_move(err, &source->err);
	return err_set(
		err, -EBADMSG, NULL, "this is no bundle: %s", text ? text : "it is no tar archive");
}

static int send_entry(struct archive *archive, struct source *source, const char *name,
	uint64_t size, int out, struct err *err)
{
	const void *bytes;
	uint64_t sent = 0;
	la_int64_t offset;
	size_t count;
	int r = frame_write(out, name, size);

	while (r == 0 &&
		(r = archive_read_data_block(archive, &bytes, &count, &offset)) == ARCHIVE_OK) {
		if ((uint64_t)offset != sent || count > size - sent)
			return err_set(err, -EBADMSG, NULL, "%s has holes", name);
		sent += count;
		r = file_write_all(out, bytes, count);
	}
	if (r == ARCHIVE_EOF && sent == size)
		return 0;
	return r < ARCHIVE_FATAL ? err_set(err, r, NULL, "%s", strerror(-r))
				 : not_a_tar(archive, source, err);
}

static int send_archive(struct source *source, int out, struct err *err)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	unsigned files = 0;
	int r = ARCHIVE_FATAL;

	if (archive && archive_read_support_format_tar(archive) == ARCHIVE_OK &&
		archive_read_open(archive, source, NULL, on_read, NULL) == ARCHIVE_OK)
		r = ARCHIVE_OK;
	while (r == ARCHIVE_OK && (r = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);
		la_int64_t size = archive_entry_size(entry);

		if (++files > FILES_MAX || !name || strlen(name) >= FRAME_NAME_MAX ||
			*name == '!' || archive_entry_filetype(entry) != AE_IFREG || size < 0 ||
			(uint64_t)size > BUNDLE_MAX) {
			archive_read_free(archive);
			return err_set(err, -EBADMSG, NULL,
				"this is no bundle: it has files that none has");
		}
		r = send_entry(archive, source, name, (uint64_t)size, out, err);
		if (r < 0) {
			archive_read_free(archive);
			return r;
		}
	}
	r = r == ARCHIVE_EOF && files ? 0 : not_a_tar(archive, source, err);
	archive_read_free(archive);
	return r;
}

static int send_blob(const struct registry *registry, const struct registry_file *file,
	const struct transfer_trust *trust, int out, struct err *err)
{
	_cleanup_(transfer_freep) struct transfer *transfer = registry_get(registry, file, trust);
	_cleanup_free_ char *bytes = xmalloc(STEP);
	uint64_t left = file->size;
	ssize_t got = 0;
	int r = frame_write(out, file->name, file->size);

	while (r == 0 && (got = transfer_read(transfer, bytes, STEP, err)) > 0) {
		r = file_write_all(out, bytes, (size_t)got); /* at most the file's size */
		left -= (uint64_t)got;
	}
	if (r < 0)
		return err_set(err, r, NULL, "%s", strerror(-r));
	if (got == 0 && left)
		return err_set(err, -EBADMSG, NULL, "the registry's %s is too short", file->name);
	return (int)got;
}

/* In the order in which a bundle has them. */
static int send_artifact(
	const char *url, const struct transfer_trust *trust, int out, struct err *err)
{
	static const char *const names[] = { MANIFEST_NAME, MANIFEST_SIGNATURE, MANIFEST_CERT,
		"boot.efi", "root.img" };
	struct registry registry;
	int r = registry_open(url, trust, &registry, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		const struct registry_file *file = NULL;

		for (size_t j = 0; !file && j < registry.count; j++)
			if (str_equal(registry.files[j].name, names[i]))
				file = &registry.files[j];
		r = file ? send_blob(&registry, file, trust, out, err)
			 : err_set(err, -EBADMSG, NULL, "the registry's bundle lacks %s", names[i]);
	}
	registry_done(&registry);
	return r;
}

int install_fetch(const char *url, int source_fd, const struct transfer_trust *trust, int out)
{
	const struct transfer_opts opts = {
		.protocols = "https,http", .trust = trust, .max = BUNDLE_MAX
	};
	struct source source = { .fd = source_fd };
	_cleanup_err_ struct err err = { 0 };
	int r;

	if (str_starts(url, REGISTRY_SCHEME)) {
		r = send_artifact(url, trust, out, &err);
	} else {
		if (source_fd < 0)
			source.transfer = transfer_new(url, &opts);
		r = send_archive(&source, out, &err);
		if (source.transfer)
			transfer_free(source.transfer);
	}
	if (r < 0)
		frame_write_error(out, &err);
	err_done(&source.err);
	return r < 0;
}
