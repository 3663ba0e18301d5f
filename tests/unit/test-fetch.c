/* Sources of images: archives and directories, and what is not believed in them. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ashlar/file.h"
#include "digest.h"
#include "fetch.h"
#include "unpacked.h"

#define MEDIA "application/vnd.oci.image."

static char dir[64];
static int layout;
static const struct fetch_limits wide = { 1 << 20, 100 };

static char *in_dir(const char *path)
{
	return file_join(dir, path);
}

static int setup(void **state)
{
	_cleanup_free_ char *path = NULL;

	strcpy(dir, "/tmp/test-fetch.XXXXXX");
	assert_non_null(mkdtemp(dir));
	path = in_dir("layout");
	assert_int_equal(mkdir(path, 0755), 0);
	layout = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return layout < 0;
}

static int teardown(void **state)
{
	close(layout);
	return file_remove_tree(dir, NULL);
}

static void sum(const char *algorithm, const char *bytes, size_t size, char text[DIGEST_TEXT_MAX])
{
	struct digest digest;

	assert_int_equal(digest_init(&digest, algorithm), 0);
	digest_add(&digest, bytes, size);
	digest_text(&digest, text);
	digest_done(&digest);
}

/* --- an archive with one image, whose parts can be spoilt ------------------------------------------ */

static const char config[] = "{\"config\":{\"Cmd\":[\"/bin/true\"]}}";
static const char layer[] = "not looked into here";

struct parts {
	char config_digest[DIGEST_TEXT_MAX], layer_digest[DIGEST_TEXT_MAX];
	char manifest_digest[DIGEST_TEXT_MAX];
	char manifest[1024], index[1024];
};

static struct parts make_parts(void)
{
	struct parts parts;

	sum("sha256", config, strlen(config), parts.config_digest);
	sum("sha256", layer, strlen(layer), parts.layer_digest);
	(void)snprintf(parts.manifest, sizeof(parts.manifest),
		"{\"config\":{\"mediaType\":\"" MEDIA
		"config.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu},"
		"\"layers\":[{\"mediaType\":\"" MEDIA
		"layer.v1.tar\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
		parts.config_digest, strlen(config), parts.layer_digest, strlen(layer));
	sum("sha256", parts.manifest, strlen(parts.manifest), parts.manifest_digest);
	(void)snprintf(parts.index, sizeof(parts.index),
		"{\"manifests\":[{\"mediaType\":\"" MEDIA
		"manifest.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
		parts.manifest_digest, strlen(parts.manifest));
	return parts;
}

static void add(struct archive *archive, const char *name, const char *content)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)strlen(content));
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(archive, content, strlen(content)), strlen(content));
	archive_entry_free(entry);
}

static void add_blob(struct archive *archive, const char *digest, const char *content)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", digest);
	add(archive, name, content);
}

static struct archive *archive_begin(const char *path)
{
	struct archive *archive = archive_write_new();

	assert_int_equal(archive_write_set_format_pax(archive), ARCHIVE_OK);
	assert_int_equal(archive_write_add_filter_gzip(archive), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
	return archive;
}

static int archive_end(struct archive *archive, const char *path)
{
	int fd;

	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_write_free(archive);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* The digests of blobs come before the documents that name them: any order will do. */
static int good_archive(const struct parts *parts, const char *path)
{
	struct archive *archive = archive_begin(path);

	add_blob(archive, parts->layer_digest, layer);
	add_blob(archive, parts->config_digest, config);
	add(archive, "./index.json", parts->index);
	add_blob(archive, parts->manifest_digest, parts->manifest);
	add(archive, "oci-layout", "{}");
	add(archive, "blobs/sha256/../../../../outside", "hostile");
	add(archive, "blobs/sha256/short", "hostile");
	return archive_end(archive, path);
}

static int find(const char *tag, struct err *err)
{
	struct oci_manifest manifest = { 0 };
	struct oci_config parsed = { 0 };
	char digest[OCI_DIGEST_MAX];
	int r = fetch_image(layout, tag, digest, &manifest, &parsed, err);

	oci_manifest_done(&manifest);
	oci_config_done(&parsed);
	return r;
}

static void test_archive(void **state)
{
	_cleanup_free_ char *path = in_dir("image.tar.gz"), *outside = in_dir("outside");
	struct parts parts = make_parts();
	int fd = good_archive(&parts, path), blob;
	struct oci_manifest manifest = { 0 };
	struct oci_config parsed = { 0 };
	char digest[OCI_DIGEST_MAX];

	assert_int_equal(fetch_archive(fd, NULL, NULL, layout, &wide, NULL), 0);
	assert_int_equal(fetch_image(layout, NULL, digest, &manifest, &parsed, NULL), 0);
	assert_string_equal(digest, parts.manifest_digest);
	assert_string_equal(manifest.config.digest, parts.config_digest);
	assert_string_equal(parsed.cmd[0], "/bin/true");
	assert_int_equal(manifest.layer_count, 1);
	assert_int_equal(fetch_open_blob(layout, &manifest.layers[0], &blob, NULL), 0);
	assert_false(file_exists(outside));
	assert_int_equal(find("other", NULL), -ENOENT);
	close(blob);
	close(fd);
	oci_manifest_done(&manifest);
	oci_config_done(&parsed);
}

static void test_checksum(void **state)
{
	static const char *const algorithms[] = { "md5", "sha256", "sha512" };
	_cleanup_free_ char *path = in_dir("image.tar.gz");
	struct parts parts = make_parts();
	int fd = good_archive(&parts, path);
	_cleanup_free_ char *bytes = NULL;
	size_t size;

	assert_int_equal(file_read(path, 1 << 20, &bytes, &size, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		char name[16], text[DIGEST_TEXT_MAX];
		_cleanup_err_ struct err err = { 0 };
		int to;

		sum(algorithms[i], bytes, size, text);
		for (int good = 1; good >= 0; good--) {
			(void)snprintf(name, sizeof(name), "layout/%zu-%d", i, good);
			_cleanup_free_ char *sub = in_dir(name);

			assert_int_equal(mkdir(sub, 0755), 0);
			to = open(sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
			if (!good)
				text[0] = text[0] == '0' ? '1' : '0';
			assert_int_equal(fetch_archive(fd, algorithms[i], text, to, &wide, &err),
				good ? 0 : -EBADMSG);
			close(to);
		}
		assert_non_null(strstr(err_text(&err), "checksum"));
	}
	close(fd);
}

static void test_limits(void **state)
{
	static const struct fetch_limits bytes = { 300, 100 }, entries = { 1 << 20, 3 };
	_cleanup_free_ char *path = in_dir("image.tar.gz"), *other = in_dir("layout/other");
	struct parts parts = make_parts();
	int fd = good_archive(&parts, path), to;

	assert_int_equal(fetch_archive(fd, NULL, NULL, layout, &entries, NULL), -EFBIG);
	assert_int_equal(mkdir(other, 0755), 0);
	to = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_true(fetch_archive(fd, NULL, NULL, to, &bytes, NULL) < 0);
	close(to);
	close(fd);
}

/* --- a layout that lies ---------------------------------------------------------------------------- */

static void write_layout(const char *name, const char *content)
{
	_cleanup_free_ char *sub = file_join("layout", name);
	_cleanup_free_ char *path = in_dir(sub), *folder = in_dir("layout/blobs/sha256");

	assert_int_equal(file_make_dirs(folder, 0755, NULL), 0);
	assert_int_equal(file_write_atomic(path, content, strlen(content), 0644, NULL), 0);
}

static void write_blob(const char *digest, const char *content)
{
	_cleanup_free_ char *name = file_join("blobs/sha256", digest);

	write_layout(name, content);
}

static void test_lies(void **state)
{
	struct parts parts = make_parts();
	_cleanup_free_ char *same_size = xstrdup(config);

	assert_int_equal(find(NULL, NULL), -EBADMSG); /* nothing there */
	write_layout("index.json", parts.index);
	assert_int_equal(find(NULL, NULL), -EBADMSG); /* its manifest is missing */
	write_blob(parts.manifest_digest, "{}");
	assert_int_equal(find(NULL, NULL), -EBADMSG); /* of another size */
	write_blob(parts.manifest_digest, parts.manifest);
	assert_int_equal(find(NULL, NULL), -EBADMSG); /* no configuration */
	same_size[2] = 'C';
	write_blob(parts.config_digest, same_size);
	assert_int_equal(find(NULL, NULL), -EBADMSG); /* another one */
	write_blob(parts.config_digest, config);
	assert_int_equal(find(NULL, NULL), 0);
}

/* A directory is somebody else's: its links are not followed. */
static void test_links(void **state)
{
	_cleanup_free_ char *index = in_dir("layout/index.json"), *real = in_dir("index.json");
	struct parts parts = make_parts();

	write_layout("index.json", parts.index);
	write_blob(parts.manifest_digest, parts.manifest);
	write_blob(parts.config_digest, config);
	assert_int_equal(find(NULL, NULL), 0);
	assert_int_equal(rename(index, real), 0);
	assert_int_equal(symlink("../index.json", index), 0);
	assert_int_equal(find(NULL, NULL), -EBADMSG);
}

/* --- users ------------------------------------------------------------------------------------------ */

static void test_users(void **state)
{
	static const struct {
		const char *user;
		int code;
		uint32_t uid, gid;
		size_t groups;
	} cases[] = {
		{ "", 0, 0, 0, 0 },
		{ "web", 0, 100, 101, 2 },
		{ "100", 0, 100, 101, 2 },
		{ "777", 0, 777, 0, 0 },
		{ "web:wheel", 0, 100, 10, 0 },
		{ "100:5", 0, 100, 5, 0 },
		{ "web:", 0, 100, 101, 2 },
		{ "nobody", -ENOENT, 0, 0, 0 },
		{ "web:nogroup", -ENOENT, 0, 0, 0 },
		{ "broken", -ENOENT, 0, 0, 0 },
	};
	_cleanup_free_ char *etc = in_dir("layout/etc"), *passwd = in_dir("layout/etc/passwd");
	_cleanup_free_ char *group = in_dir("layout/etc/group");
	static const char passwd_text[] = "root:x:0:0::/:/bin/sh\nbroken:x\nweb:x:100:101:::\n";
	static const char group_text[] =
		"wheel:x:10:root\na:x:20:web,x\nb:x:21:x,web\nc:x:22:webb\n";

	assert_int_equal(mkdir(etc, 0755), 0);
	assert_int_equal(
		file_write_atomic(passwd, passwd_text, strlen(passwd_text), 0644, NULL), 0);
	assert_int_equal(file_write_atomic(group, group_text, strlen(group_text), 0644, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unpacked unpacked = { .config.user = (char *)cases[i].user };
		int r = unpacked_find_user(&unpacked, layout, NULL);

		if (r != cases[i].code)
			fail_msg("user \"%s\": %d", cases[i].user, r);
		if (r < 0)
			continue;
		assert_int_equal(unpacked.uid, cases[i].uid);
		assert_int_equal(unpacked.gid, cases[i].gid);
		assert_int_equal(unpacked.group_count, cases[i].groups);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_archive),
		TEST(test_checksum),
		TEST(test_limits),
		TEST(test_lies),
		TEST(test_links),
		TEST(test_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
