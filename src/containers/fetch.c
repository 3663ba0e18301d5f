/*
 * An image's source → a directory in OCI layout ("index.json", "blobs/sha256/…"), and verified
 * documents out of it. An archive is copied blob by blob under the names it gives; what the bytes of
 * a blob are worth is told by the digest in the document that refers to it, checked whenever it is
 * read: the index names manifests, a manifest names its configuration and layers.
 */
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/str.h"
#include "digest.h"
#include "fetch.h"
#include "stream.h"

#define BLOB_DIR   "blobs/sha256"
#define INDEX	   "index.json"
#define NESTED_MAX 4 /* indexes within indexes */

/* Whether it is one of ours: the name below the layout, or NULL for what is passed over. */
static const char *wanted_name(const char *name)
{
	uint8_t bytes[32];

	if (!name)
		return NULL;
	while (str_starts(name, "./"))
		name += 2;
	if (strcmp(name, INDEX) == 0)
		return name;
	if (str_starts(name, BLOB_DIR "/") && strlen(name) == sizeof(BLOB_DIR) + 64 &&
		str_unhex(bytes, sizeof(bytes), name + sizeof(BLOB_DIR), 0) == 0)
		return name;
	return NULL;
}

static int copy_entry(
	struct archive *archive, int layout, const char *name, uint64_t *left, struct err *err)
{
	_cleanup_close_ int fd =
		openat(layout, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	_cleanup_free_ char *bytes = xmalloc(STREAM_STEP);
	la_ssize_t got;
	int ret;

	if (fd < 0)
		return err_set(err, -errno, NULL, "cannot write %s of the image: %s", name,
			strerror(errno));
	for (;;) {
		got = archive_read_data(archive, bytes, STREAM_STEP);
		if (got < 0)
			return stream_err(err, archive, "the archive");
		if (got == 0)
			return 0;
		if ((uint64_t)got > *left)
			return err_set(err, -EFBIG, NULL, "the archive holds too many bytes");
		*left -= (uint64_t)got;
		ret = file_write_all(fd, bytes, (size_t)got);
		if (ret < 0)
			return err_set(err, ret, NULL, "cannot write %s of the image: %s", name,
				strerror(-ret));
	}
}

static int copy_entries(
	struct archive *archive, int layout, const struct fetch_limits *limits, struct err *err)
{
	uint64_t left = limits->bytes, entries = 0;
	struct archive_entry *entry;
	const char *name;
	int ret;

	for (;;) {
		ret = archive_read_next_header(archive, &entry);
		if (ret == ARCHIVE_EOF)
			return 0;
		if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN)
			return stream_err(err, archive, "the archive");
		if (++entries > limits->entries)
			return err_set(err, -EFBIG, NULL, "the archive has too many entries");
		name = wanted_name(archive_entry_pathname(entry));
		if (!name || archive_entry_filetype(entry) != AE_IFREG ||
			archive_entry_hardlink(entry))
			continue;
		ret = copy_entry(archive, layout, name, &left, err);
		if (ret < 0)
			return ret;
	}
}

int fetch_archive(int fd, const char *algorithm, const char *expected, int layout,
	const struct fetch_limits *limits, struct err *err)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	_cleanup_(archive_freep) struct archive *archive = NULL;
	int ret;

	if (mkdirat(layout, "blobs", 0700) < 0 || mkdirat(layout, BLOB_DIR, 0700) < 0)
		return err_set(
			err, -errno, NULL, "cannot make the image's folder: %s", strerror(errno));
	ret = stream_new(fd, algorithm, limits->bytes, &stream, err);
	if (ret < 0)
		return ret;
	ret = stream_open_tar(stream, &archive, err);
	if (ret == 0)
		ret = copy_entries(archive, layout, limits, err);
	/* A file other than the expected one: that says more than what is wrong in it. */
	if (ret == 0 || expected) {
		struct err mismatch = { 0 };
		int checked = stream_finish(stream, expected, "the archive", &mismatch);

		if (checked < 0)
			return err_move(err, &mismatch);
	}
	return ret;
}

/* Beneath the layout and without symbolic links: the directory may be a stranger's. */
static int open_beneath(int layout, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, layout, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int fetch_open_blob(
	int layout, const struct oci_descriptor *descriptor, int *ret_fd, struct err *err)
{
	char name[sizeof(BLOB_DIR) + OCI_DIGEST_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)snprintf(name, sizeof(name), BLOB_DIR "/%s", descriptor->digest);
	fd = open_beneath(layout, name);
	if (fd < 0)
		return err_set(err, fd == -ENOENT ? -EBADMSG : fd, NULL,
			"the image lacks its part %.12s: %s", descriptor->digest, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != descriptor->size)
		return err_set(err, -EBADMSG, NULL,
			"part %.12s of the image does not have %ju bytes", descriptor->digest,
			(uintmax_t)descriptor->size);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int read_all(int fd, char **ret_text, size_t *ret_size, struct err *err)
{
	char *text = xmalloc(OCI_DOCUMENT_MAX + 1);
	size_t size = 0;
	ssize_t got;

	do {
		got = read(fd, text + size, OCI_DOCUMENT_MAX + 1 - size);
		if (got > 0)
			size += (size_t)got;
	} while (size <= OCI_DOCUMENT_MAX && (got > 0 || (got < 0 && errno == EINTR)));
	if (got < 0 || size > OCI_DOCUMENT_MAX) {
		free(text);
		return err_set(err, -EFBIG, NULL,
			"a document of the image is larger than %zu bytes", OCI_DOCUMENT_MAX);
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}

/* The whole of a document's bytes, of the digest that refers to it. */
static int read_document(int layout, const struct oci_descriptor *descriptor, char **ret_text,
	size_t *ret_size, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	char sum[DIGEST_TEXT_MAX];
	struct digest digest;
	size_t size;
	int ret;

	ret = fetch_open_blob(layout, descriptor, &fd, err);
	if (ret == 0)
		ret = read_all(fd, &text, &size, err);
	if (ret < 0)
		return ret;
	ret = digest_init(&digest, "sha256");
	if (ret == 0) {
		digest_add(&digest, text, size);
		digest_text(&digest, sum);
	}
	digest_done(&digest);
	if (ret < 0 || strcmp(sum, descriptor->digest) != 0)
		return err_set(err, -EBADMSG, NULL, "part %.12s of the image is damaged",
			descriptor->digest);
	*ret_text = TAKE(text);
	*ret_size = size;
	return 0;
}

static int find_manifest(
	int layout, const char *tag, struct oci_descriptor *ret_descriptor, struct err *err)
{
	struct oci_descriptor descriptor = { .media = OCI_MEDIA_INDEX };
	_cleanup_close_ int fd = open_beneath(layout, INDEX);
	unsigned depth;
	int ret;

	if (fd < 0)
		return err_set(err, -EBADMSG, NULL,
			"there is no %s: this is not an image in OCI layout", INDEX);
	for (depth = 0; depth < NESTED_MAX; depth++) {
		_cleanup_free_ char *text = NULL;
		size_t size;

		ret = depth == 0 ? read_all(fd, &text, &size, err)
				 : read_document(layout, &descriptor, &text, &size, err);
		if (ret == 0)
			ret = oci_parse_index(
				text, size, depth == 0 ? tag : NULL, &descriptor, err);
		if (ret < 0)
			return ret;
		if (descriptor.media == OCI_MEDIA_MANIFEST) {
			*ret_descriptor = descriptor;
			return 0;
		}
	}
	return err_set(err, -EBADMSG, NULL, "the image's indexes are nested too deep");
}

int fetch_image(int layout, const char *tag, char ret_digest[OCI_DIGEST_MAX],
	struct oci_manifest *ret_manifest, struct oci_config *ret_config, struct err *err)
{
	_cleanup_free_ char *manifest_text = NULL, *config_text = NULL;
	_cleanup_(oci_manifest_done) struct oci_manifest manifest = { 0 };
	struct oci_descriptor descriptor;
	size_t size;
	int ret;

	ret = find_manifest(layout, tag, &descriptor, err);
	if (ret == 0)
		ret = read_document(layout, &descriptor, &manifest_text, &size, err);
	if (ret == 0)
		ret = oci_parse_manifest(manifest_text, size, &manifest, err);
	if (ret == 0)
		ret = read_document(layout, &manifest.config, &config_text, &size, err);
	if (ret == 0)
		ret = oci_parse_config(config_text, size, ret_config, err);
	if (ret < 0)
		return ret;
	memcpy(ret_digest, descriptor.digest, OCI_DIGEST_MAX);
	*ret_manifest = manifest;
	manifest = (struct oci_manifest){ 0 };
	return 0;
}
