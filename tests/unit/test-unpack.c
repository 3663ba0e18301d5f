/* Layers: what they make, what whiteouts hide, and what hostile ones cannot do. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ashlar/file.h"
#include "ashlar/str.h"
#include "digest.h"
#include "unpack.h"

#define LAYER_MAX ((size_t)4 << 20)

/* A scratch directory: root/ is unpacked into, outside/ must stay as it is. */
static char dir[64];
static int root;

static const struct unpack_limits wide = { 1 << 20, 1000, 16 };

static char *in_dir(const char *path)
{
	return file_join(dir, path);
}

static int setup(void **state)
{
	_cleanup_free_ char *top = NULL, *outside = NULL, *secret = NULL;

	strcpy(dir, "/tmp/test-unpack.XXXXXX");
	assert_non_null(mkdtemp(dir));
	top = in_dir("root");
	outside = in_dir("outside");
	secret = in_dir("outside/secret");
	assert_int_equal(mkdir(top, 0755), 0);
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(file_write_atomic(secret, "secret", 6, 0600, NULL), 0);
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	return 0;
}

static int teardown(void **state)
{
	close(root);
	return file_remove_tree(dir, NULL);
}

/* --- making layers ------------------------------------------------------------------------------- */

struct layer {
	struct archive *archive;
	char *bytes;
	size_t size;
};

static struct layer *layer_new(bool compressed)
{
	struct layer *layer = XNEW(struct layer);

	layer->bytes = xmalloc(LAYER_MAX);
	layer->archive = archive_write_new();
	assert_int_equal(archive_write_set_format_pax(layer->archive), ARCHIVE_OK);
	if (compressed)
		assert_int_equal(archive_write_add_filter_gzip(layer->archive), ARCHIVE_OK);
	assert_int_equal(
		archive_write_open_memory(layer->archive, layer->bytes, LAYER_MAX, &layer->size),
		ARCHIVE_OK);
	return layer;
}

static void add(
	struct layer *layer, unsigned type, const char *name, const char *value, mode_t mode)
{
	struct archive_entry *entry = archive_entry_new();
	size_t size = type == AE_IFREG ? strlen(value) : 0;

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, mode);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_uid(entry, geteuid());
	archive_entry_set_gid(entry, getegid());
	archive_entry_set_mtime(entry, 86400, 0);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(entry, value);
	assert_int_equal(archive_write_header(layer->archive, entry), ARCHIVE_OK);
	if (size)
		assert_int_equal(archive_write_data(layer->archive, value, size), size);
	archive_entry_free(entry);
}

static void add_hardlink(struct layer *layer, const char *name, const char *target)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_hardlink(entry, target);
	assert_int_equal(archive_write_header(layer->archive, entry), ARCHIVE_OK);
	archive_entry_free(entry);
}

static void file(struct layer *layer, const char *name, const char *content)
{
	add(layer, AE_IFREG, name, content, 0644);
}

static void folder(struct layer *layer, const char *name)
{
	add(layer, AE_IFDIR, name, NULL, 0755);
}

/* --- unpacking them ------------------------------------------------------------------------------ */

static int write_blob(const char *bytes, size_t size, struct oci_descriptor *descriptor)
{
	_cleanup_free_ char *path = in_dir("blob");
	char text[DIGEST_TEXT_MAX];
	struct digest digest;

	assert_int_equal(digest_init(&digest, "sha256"), 0);
	digest_add(&digest, bytes, size);
	digest_text(&digest, text);
	digest_done(&digest);
	memcpy(descriptor->digest, text, sizeof(descriptor->digest));
	descriptor->media = OCI_MEDIA_LAYER;
	descriptor->size = size;
	assert_int_equal(file_write_atomic(path, bytes, size, 0600, NULL), 0);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Ends the layer and applies it; its result. */
static int apply(struct unpack *unpack, struct layer *layer, struct err *err)
{
	struct oci_descriptor descriptor;
	int fd, r;

	assert_int_equal(archive_write_close(layer->archive), ARCHIVE_OK);
	archive_write_free(layer->archive);
	fd = write_blob(layer->bytes, layer->size, &descriptor);
	r = unpack_layer(unpack, fd, &descriptor, err);
	close(fd);
	free(layer->bytes);
	free(layer);
	return r;
}

static void apply_good(struct unpack *unpack, struct layer *layer)
{
	_cleanup_err_ struct err err = { 0 };

	if (apply(unpack, layer, &err) < 0)
		fail_msg("%s", err_text(&err));
}

static void apply_bad(struct unpack *unpack, struct layer *layer, int code, const char *words)
{
	_cleanup_err_ struct err err = { 0 };

	assert_int_equal(apply(unpack, layer, &err), code);
	if (!strstr(err_text(&err), words))
		fail_msg("\"%s\" is not in \"%s\"", words, err_text(&err));
}

static void assert_content(const char *path, const char *content)
{
	_cleanup_free_ char *full = in_dir(path), *data = NULL;
	size_t size;

	if (file_read(full, 1 << 20, &data, &size, NULL) < 0)
		fail_msg("%s is not there", path);
	assert_string_equal(data, content);
}

static void assert_absent(const char *path)
{
	_cleanup_free_ char *full = in_dir(path);
	struct stat st;

	if (lstat(full, &st) == 0)
		fail_msg("%s is there", path);
}

static struct stat look(const char *path)
{
	_cleanup_free_ char *full = in_dir(path);
	struct stat st;

	if (lstat(full, &st) < 0)
		fail_msg("%s is not there", path);
	return st;
}

/* --- what they make ------------------------------------------------------------------------------ */

static void test_kinds(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(true);

	add(layer, AE_IFDIR, "./", NULL, 0711);
	add(layer, AE_IFDIR, "tmp/", NULL, 01777);
	add(layer, AE_IFREG, "bin/su", "x", 04755);
	file(layer, "/etc/absolute", "inside");
	file(layer, "etc/na\xc3\xafve", "utf-8");
	add(layer, AE_IFLNK, "lib", "usr/lib", 0777);
	folder(layer, "usr/lib");
	file(layer, "lib/through-link", "lib");
	add_hardlink(layer, "etc/second", "etc/absolute");
	add(layer, AE_IFIFO, "run/pipe", NULL, 0620);
	unpack_init(&unpack, root, &wide);
	apply_good(&unpack, layer);

	assert_int_equal(look("root").st_mode & 07777, 0711);
	assert_int_equal(look("root/tmp").st_mode & 07777, 01777);
	assert_int_equal(look("root/bin/su").st_mode & 07777, 04755);
	assert_int_equal(look("root/bin/su").st_mtime, 86400);
	assert_int_equal(look("root/bin").st_mode & 07777, 0755);
	assert_content("root/etc/absolute", "inside");
	assert_content("root/etc/na\xc3\xafve", "utf-8");
	assert_content("root/usr/lib/through-link", "lib");
	assert_int_equal(look("root/etc/second").st_ino, look("root/etc/absolute").st_ino);
	assert_true(S_ISFIFO(look("root/run/pipe").st_mode));
	assert_true(S_ISLNK(look("root/lib").st_mode));
}

static void test_later_layer_replaces(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(false);

	file(layer, "file-to-dir", "1");
	file(layer, "dir-to-file/below", "1");
	file(layer, "dir-to-link/below", "1");
	file(layer, "kept/below", "1");
	file(layer, "changed", "1");
	add_hardlink(layer, "other-name", "changed");
	unpack_init(&unpack, root, &wide);
	apply_good(&unpack, layer);

	layer = layer_new(true);
	folder(layer, "file-to-dir");
	file(layer, "file-to-dir/below", "2");
	file(layer, "dir-to-file", "2");
	add(layer, AE_IFLNK, "dir-to-link", "kept", 0777);
	add(layer, AE_IFDIR, "kept", NULL, 0700);
	file(layer, "changed", "2");
	apply_good(&unpack, layer);

	assert_content("root/file-to-dir/below", "2");
	assert_content("root/dir-to-file", "2");
	assert_true(S_ISLNK(look("root/dir-to-link").st_mode));
	assert_content("root/kept/below", "1");
	assert_int_equal(look("root/kept").st_mode & 07777, 0700);
	assert_content("root/changed", "2");
	assert_content("root/other-name", "1");
}

/* --- whiteouts ----------------------------------------------------------------------------------- */

static void apply_lower(struct unpack *unpack)
{
	struct layer *layer = layer_new(false);

	file(layer, "a/lower", "1");
	file(layer, "a/sub/lower", "1");
	file(layer, "a/both", "1");
	file(layer, "b/lower", "1");
	file(layer, "b/both", "1");
	unpack_init(unpack, root, &wide);
	apply_good(unpack, layer);
}

static void test_whiteout(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(true);

	apply_lower(&unpack);
	file(layer, "a/.wh.lower", "");
	file(layer, "a/.wh.absent", "");
	file(layer, ".wh.b", "");
	file(layer, ".wh..wh.plnk", "");
	apply_good(&unpack, layer);
	assert_absent("root/a/lower");
	assert_content("root/a/both", "1");
	assert_absent("root/b");
	assert_absent("root/a/.wh.lower");
	assert_absent("root/.wh..wh.plnk");
}

/* Wherever the marker stands among the entries, this layer's own stay. */
static void test_opaque(void **state)
{
	for (int last = 0; last < 2; last++) {
		_cleanup_(unpack_done) struct unpack unpack;
		struct layer *layer = layer_new(true);

		apply_lower(&unpack);
		if (!last)
			file(layer, "a/.wh..wh..opq", "");
		file(layer, "a/both", "2");
		file(layer, "a/sub/upper", "2");
		file(layer, "b/both", "2");
		if (last)
			file(layer, "a/.wh..wh..opq", "");
		apply_good(&unpack, layer);
		assert_absent("root/a/lower");
		assert_absent("root/a/sub/lower");
		assert_content("root/a/both", "2");
		assert_content("root/a/sub/upper", "2");
		assert_content("root/b/lower", "1");
		assert_content("root/b/both", "2");
	}
}

static void test_whiteout_and_again(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(true);

	apply_lower(&unpack);
	file(layer, "a/new", "2");
	file(layer, ".wh.a", "");
	file(layer, "a/newer", "2");
	apply_good(&unpack, layer);
	assert_content("root/a/new", "2");
	assert_content("root/a/newer", "2");
	assert_absent("root/a/lower");
	assert_absent("root/a/sub");
}

/* --- what they cannot do -------------------------------------------------------------------------- */

static void test_paths_out(void **state)
{
	static const char *const names[] = { "../outside/x", "a/../../outside/x", "/../outside/x",
		"./../outside/x", "..", "a/..", "../outside/.wh.secret", ".wh..", ".wh...",
		".wh." };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(unpack_done) struct unpack unpack;
		struct layer *layer = layer_new(false);

		file(layer, names[i], "hostile");
		unpack_init(&unpack, root, &wide);
		apply_bad(&unpack, layer, -EINVAL, "leaves the image");
		assert_absent("outside/x");
		assert_content("outside/secret", "secret");
	}
}

/* A link leads where it would lead inside the container. */
static void test_symlinks_out(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	_cleanup_free_ char *outside = in_dir("outside");
	struct layer *layer = layer_new(false);

	add(layer, AE_IFLNK, "absolute", outside, 0777);
	add(layer, AE_IFLNK, "up", "../outside", 0777);
	add(layer, AE_IFLNK, "far", "../../../../../../../../tmp", 0777);
	folder(layer, "outside");
	folder(layer, "tmp");
	file(layer, "up/x", "in");
	file(layer, "far/y", "in");
	unpack_init(&unpack, root, &wide);
	apply_good(&unpack, layer);
	assert_content("root/outside/x", "in");
	assert_content("root/tmp/y", "in");
	assert_absent("outside/x");

	/* What it names is not there inside: the image is refused, outside nothing is made. */
	layer = layer_new(false);
	file(layer, "absolute/x", "hostile");
	apply_bad(&unpack, layer, -EEXIST, "absolute/x");
	assert_absent("outside/x");

	/* Nor is it gone through to remove something, or replaced content written through it. */
	layer = layer_new(false);
	file(layer, "up/.wh.secret", "");
	file(layer, "up", "a file now");
	apply_good(&unpack, layer);
	assert_content("outside/secret", "secret");
	assert_content("root/up", "a file now");
}

static void test_symlink_loop(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(false);

	add(layer, AE_IFLNK, "a", "b", 0777);
	add(layer, AE_IFLNK, "b", "a", 0777);
	file(layer, "a/x", "hostile");
	unpack_init(&unpack, root, &wide);
	apply_bad(&unpack, layer, -ELOOP, "a/x");
}

static void test_hardlinks(void **state)
{
	static const struct {
		const char *target;
		int code;
	} cases[] = {
		{ "../outside/secret", -EINVAL },
		{ "a/../../outside/secret", -EINVAL },
		{ "/", -EINVAL },
		{ "folder", -EINVAL },
		{ "absent", -ENOENT },
		{ "absent/below", -ENOENT },
		{ "link/secret", -ENOENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(unpack_done) struct unpack unpack;
		struct layer *layer = layer_new(false);

		folder(layer, "folder");
		add(layer, AE_IFLNK, "link", "../outside", 0777);
		add_hardlink(layer, "x", cases[i].target);
		unpack_init(&unpack, root, &wide);
		apply_bad(&unpack, layer, cases[i].code, "\"x\"");
		assert_absent("root/x");
	}
}

static void test_hardlink_to_itself(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(false);

	file(layer, "x", "1");
	add_hardlink(layer, "./x", "/x");
	unpack_init(&unpack, root, &wide);
	apply_good(&unpack, layer);
	assert_content("root/x", "1");
}

static void test_devices(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(false);

	add(layer, AE_IFCHR, "dev/mem", NULL, 0666);
	add(layer, AE_IFBLK, "dev/sda", NULL, 0666);
	file(layer, "after", "1");
	unpack_init(&unpack, root, &wide);
	apply_good(&unpack, layer);
	assert_int_equal(unpack.skipped, 2);
	assert_absent("root/dev/mem");
	assert_absent("root/dev/sda");
	assert_content("root/after", "1");
}

static void test_limits(void **state)
{
	static const struct unpack_limits small = { 10, 3, 2 };
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(true);

	unpack_init(&unpack, root, &small);
	file(layer, "a", "12345678");
	file(layer, "b", "123");
	apply_bad(&unpack, layer, -EFBIG, "larger than allowed");

	unpack_done(&unpack);
	unpack_init(&unpack, root, &small);
	layer = layer_new(true);
	for (int i = 0; i < 4; i++)
		folder(layer, "a-dir");
	apply_bad(&unpack, layer, -EFBIG, "too many files");

	unpack_done(&unpack);
	unpack_init(&unpack, root, &small);
	layer = layer_new(true);
	folder(layer, "a-dir/b/c");
	apply_bad(&unpack, layer, -EINVAL, "too deep");
}

/* Limits are of the image, not of each layer. */
static void test_limits_add_up(void **state)
{
	static const struct unpack_limits small = { 10, 3, 2 };
	_cleanup_(unpack_done) struct unpack unpack;

	unpack_init(&unpack, root, &small);
	for (int i = 0; i < 2; i++) {
		struct layer *layer = layer_new(false);

		file(layer, "same", "123456");
		if (i == 0)
			apply_good(&unpack, layer);
		else
			apply_bad(&unpack, layer, -EFBIG, "larger than allowed");
	}
}

static void test_damage(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;
	struct layer *layer = layer_new(true);
	struct oci_descriptor descriptor;
	_cleanup_err_ struct err err = { 0 };
	int fd;

	file(layer, "a", "content");
	assert_int_equal(archive_write_close(layer->archive), ARCHIVE_OK);
	archive_write_free(layer->archive);
	unpack_init(&unpack, root, &wide);

	/* Another blob of the right size. */
	fd = write_blob(layer->bytes, layer->size, &descriptor);
	descriptor.digest[0] = descriptor.digest[0] == '0' ? '1' : '0';
	assert_int_equal(unpack_layer(&unpack, fd, &descriptor, &err), -EBADMSG);
	assert_non_null(strstr(err_text(&err), "checksum"));
	close(fd);

	/* More behind the end of the archive. */
	memcpy(layer->bytes + layer->size, "more", 4);
	fd = write_blob(layer->bytes, layer->size, &descriptor);
	close(fd);
	fd = write_blob(layer->bytes, layer->size + 4, &(struct oci_descriptor){ 0 });
	assert_true(unpack_layer(&unpack, fd, &descriptor, &err) < 0);
	close(fd);

	/* Cut off. */
	fd = write_blob(layer->bytes, layer->size / 2, &descriptor);
	assert_true(unpack_layer(&unpack, fd, &descriptor, &err) < 0);
	close(fd);

	/* No archive at all. */
	fd = write_blob("#!/bin/sh", 9, &descriptor);
	assert_int_equal(unpack_layer(&unpack, fd, &descriptor, &err), -EBADMSG);
	close(fd);
	free(layer->bytes);
	free(layer);
}

static void test_empty_layer(void **state)
{
	_cleanup_(unpack_done) struct unpack unpack;

	unpack_init(&unpack, root, &wide);
	apply_good(&unpack, layer_new(true));
}

static void test_clean_path(void **state)
{
	static const struct {
		const char *path, *clean; /* NULL: refused */
	} cases[] = {
		{ "", "" },
		{ "/", "" },
		{ "./", "" },
		{ ".", "" },
		{ "a", "a" },
		{ "/a//b/", "a/b" },
		{ "./a/./b", "a/b" },
		{ "a/...", "a/..." },
		{ "..a/b..", "..a/b.." },
		{ "..", NULL },
		{ "a/..", NULL },
		{ "../a", NULL },
		{ "1/2/3/4", "1/2/3/4" },
		{ "1/2/3/4/5", NULL },
		{ "1/./2//3/4/", "1/2/3/4" },
	};
	char text[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		strcpy(text, cases[i].path);
		if (!cases[i].clean) {
			assert_int_equal(unpack_clean_path(text, 4), -EINVAL);
			continue;
		}
		assert_int_equal(unpack_clean_path(text, 4), 0);
		assert_string_equal(text, cases[i].clean);
	}
	memset(text, 'a', 255);
	text[255] = '\0';
	assert_int_equal(unpack_clean_path(text, 4), 0);
	strcpy(text + 255, "a");
	assert_int_equal(unpack_clean_path(text, 4), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_kinds),
		TEST(test_later_layer_replaces),
		TEST(test_whiteout),
		TEST(test_opaque),
		TEST(test_whiteout_and_again),
		TEST(test_paths_out),
		TEST(test_symlinks_out),
		TEST(test_symlink_loop),
		TEST(test_hardlinks),
		TEST(test_hardlink_to_itself),
		TEST(test_devices),
		TEST(test_limits),
		TEST(test_limits_add_up),
		TEST(test_damage),
		TEST(test_empty_layer),
		TEST(test_clean_path),
	};

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
