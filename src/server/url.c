/*
 * Files are those of one directory, without any below it: a name is one component, opened without following
 * a link, written beside itself and renamed. What is said to a server and by it is ashlar-url's affair.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/credential.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "rc-uri.h"
#include "url.h"

#define DIRECTORY	 "url"
#define TEXT_MAX	 2048 /* bytes of a URL */
#define FILES_MAX	 64
#define ERROR_MAX	 4096
#define FILE_DEADLINE_MS 30000
#define NET_DEADLINE_MS	 90000

/* Exit statuses of the file's child. */
enum {
	FAILED = 1, /* its output is the reason */
	ABSENT = 2,
};

struct url {
	enum url_act act;
	char *name; /* of a file; NULL: on a server */
	struct buf content;
	struct child *child;
	url_fn done;
	void *arg;
};

static char *directory;

void url_init(const char *config_dir)
{
	url_done();
	directory = file_join(config_dir, DIRECTORY);
}

void url_done(void)
{
	free(TAKE(directory));
}

static void url_free(struct url *url)
{
	child_cancel(url->child);
	buf_done(&url->content);
	free(url->name);
	free(url);
}

void url_cancel(struct url *url)
{
	if (url)
		url_free(url);
}

/* --- files: in the child ---------------------------------------------------------------------- */

static int fail(const char *what)
{
	dprintf(STDOUT_FILENO, "%s: %s", what, strerror(errno));
	return FAILED;
}

static int get_file(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char bytes[16384];
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? ABSENT : fail("it cannot be opened");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > URL_BYTES_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return fail("it cannot be read");
	}
	while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
		if (file_write_all(STDOUT_FILENO, bytes, (size_t)got) < 0)
			return FAILED;
	}
	return got < 0 ? fail("it cannot be read") : 0;
}

static size_t count_files(int dir)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	size_t count = 0;

	if (!stream)
		return 0;
	fd = -1;
	while (readdir(stream))
		count++;
	closedir(stream);
	return count;
}

static int put_file(int dir, const char *name, const struct buf *content)
{
	_cleanup_free_ char *path = file_join(directory, name);
	_cleanup_err_ struct err err = { 0 };

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && count_files(dir) > FILES_MAX) {
		errno = ENOSPC;
		return fail("there are too many files");
	}
	if (file_write_atomic(path, content->length ? buf_bytes(content) : "", content->length,
		    0600, &err) < 0) {
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
		return FAILED;
	}
	return 0;
}

static int delete_file(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) < 0)
		return errno == ENOENT ? ABSENT : fail("it cannot be deleted");
	return fsync(dir) < 0 ? fail("it cannot be deleted") : 0;
}

static int file_main(void *arg)
{
	const struct url *url = arg;
	_cleanup_close_ int dir = -1;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return fail("there is no directory for it");
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fail("there is no directory for it");
	switch (url->act) {
	case URL_GET:
		return get_file(dir, url->name);
	case URL_PUT:
		return put_file(dir, url->name, &url->content);
	case URL_DELETE:
		return delete_file(dir, url->name);
	}
	return FAILED;
}

/* --- both ------------------------------------------------------------------------------------- */

static int not_ours(struct err *err, const char *why)
{
	return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL, "the URL %s", why);
}

/* The name in file:///NAME; NULL: it is none. */
static int take_name(const char *text, char **ret_name, struct err *err)
{
	_cleanup_free_ char *name = NULL;

	text += strlen("file:");
	if (str_starts(text, "//localhost/"))
		text += strlen("//localhost");
	else if (str_starts(text, "///"))
		text += strlen("//");
	if (*text != '/')
		return not_ours(err, "is not of the form file:///NAME");
	name = xstrdup(text + 1);
	if (rc_uri_decode(name, strlen(name), err) < 0)
		return not_ours(err, "has an escape that is no character");
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > 200)
		return not_ours(err,
			"names no file: a name has no slash, begins with no dot, and has at most 200 "
			"bytes");
	*ret_name = TAKE(name);
	return 0;
}

static int check_text(const char *text, struct err *err)
{
	if (strlen(text) > TEXT_MAX)
		return not_ours(err, "is too long");
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return not_ours(err, "has a character that no URL has");
	}
	return 0;
}

static void fill_err(const struct url *url, const struct child_result *result, struct err *err)
{
	if (result->timed_out)
		(void)err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL, "the URL takes too long");
	else if (result->truncated)
		(void)err_tagged(err, ERR_TAG_TOO_BIG, NULL, "the URL holds more than %zu bytes",
			URL_BYTES_MAX);
	else if (url->name && result->status == ABSENT)
		(void)err_tagged(
			err, ERR_TAG_DATA_MISSING, NULL, "there is no file \"%s\"", url->name);
	else if (result->status)
		(void)err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL, "the URL: %.*s", ERROR_MAX,
			result->output_size ? result->output : "it cannot be reached");
}

static void on_done(const struct child_result *result, void *arg)
{
	_cleanup_(buf_done) struct buf content = { 0 };
	_cleanup_err_ struct err err = { 0 };
	struct url *url = arg;
	url_fn done = url->done;
	void *done_arg = url->arg;
	bool is_get = url->act == URL_GET;

	url->child = NULL;
	fill_err(url, result, &err);
	if (!err.code && is_get)
		(void)!buf_append(&content, result->output, result->output_size); /* no ceiling */
	url_free(url);
	done(err.code || !is_get ? NULL : &content, err.code ? &err : NULL, done_arg);
}

/* The helper gets everything on its standard input: its arguments are for all to see. */
static int start_helper(struct url *url, const char *text, struct child_opts *opts, struct err *err)
{
	static const char *const acts[] = {
		[URL_GET] = "get", [URL_PUT] = "put", [URL_DELETE] = "delete"
	};
	_cleanup_free_ char *helper = child_helper("ashlar-url");
	_cleanup_free_ char *anchors = xasprintf(
		"SSL_CERT_FILE=%s", getenv("SSL_CERT_FILE") ? getenv("SSL_CERT_FILE") : "");
	const char *argv[] = { helper, NULL }, *env[] = { anchors, NULL };
	_cleanup_(buf_done) struct buf input = { 0 }, trusted = { 0 };
	int ret;

	buf_init(&trusted, URL_ANCHORS_MAX);
	ret = credential_authorities(&trusted, err);
	if (ret < 0)
		return ret;
	(void)!buf_printf(
		&input, "%s %zu %s\n", acts[url->act], trusted.length, text); /* no ceiling */
	if (trusted.length)
		(void)!buf_append(&input, buf_bytes(&trusted), trusted.length);
	if (url->content.length)
		(void)!buf_append(&input, buf_bytes(&url->content), url->content.length);
	opts->argv = argv;
	opts->env = env;
	opts->input = buf_bytes(&input);
	opts->input_size = input.length;
	opts->deadline_ms = NET_DEADLINE_MS;
	return child_start(opts, &url->child, err);
}

int url_start(enum url_act act, const char *text, struct buf *content, url_fn done, void *arg,
	struct url **ret_url, struct err *err)
{
	struct child_opts opts = {
		.run = file_main,
		.output_max = act == URL_GET ? URL_BYTES_MAX : ERROR_MAX,
		.deadline_ms = FILE_DEADLINE_MS,
		.done = on_done,
	};
	struct url *url = XNEW(struct url);
	int ret = check_text(text, err);

	url->act = act;
	url->done = done;
	url->arg = arg;
	opts.arg = opts.run_arg = url;
	if (content) {
		url->content = *content;
		buf_init(content, 0);
	}
	if (ret == 0 && url->content.length > URL_BYTES_MAX)
		ret = err_tagged(err, ERR_TAG_TOO_BIG, NULL,
			"the configuration has more than %zu bytes", URL_BYTES_MAX);
	if (ret == 0 && str_starts(text, "file:")) {
		ret = take_name(text, &url->name, err);
		if (ret == 0)
			ret = child_start(&opts, &url->child, err);
	} else if (ret == 0 && str_starts(text, "https://")) {
		opts.run = NULL;
		ret = start_helper(url, text, &opts, err);
	} else if (ret == 0) {
		ret = not_ours(err, "begins with neither file: nor https://");
	}
	if (ret < 0)
		url_free(url);
	else
		*ret_url = url;
	return ret;
}
