/*
 * ashlar-support: makes the support archive, on standard output. On standard input it gets parts, each "NAME SIZE\n"
 * and that many bytes: first "secrets", members whose values go no further, "PARENT NAME" a line; then members of
 * JSON objects, which are put into the archive without those. What else there is to know of the machine it looks up.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ashlar/buf.h"
#include "ashlar/file.h"
#include "ashlar/mem.h"
#include "ashlar/str.h"

#define TOP	 "ashlar-support/"
#define PART_MAX ((size_t)256 << 20)
#define FILE_MAX ((size_t)4 << 20)
#define HIDDEN	 "*** left out ***"

/* What a machine says of itself; /cfg and /run/ashlar are the appliance's. */
static const char *const files[] = { "/proc/version", "/proc/cmdline", "/proc/uptime",
	"/proc/meminfo", "/proc/loadavg", "/proc/mounts", "/proc/partitions", "/proc/interrupts",
	"/proc/net/dev", "/usr/lib/os-release", "/usr/share/ashlar/release.json",
	"/run/ashlar/boot", "/cfg/starts.json" };

static struct archive *out;
static char *secrets; /* "\nPARENT NAME\n…" */

static int fail(const char *why)
{
	fprintf(stderr, "%s\n", why);
	return 1;
}

static bool add(const char *name, const void *data, size_t size)
{
	_cleanup_free_ char *path = xasprintf(TOP "%s", name);
	struct archive_entry *entry = archive_entry_new();
	bool is_done;

	archive_entry_set_pathname(entry, path);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_mtime(entry, time(NULL), 0);
	is_done = archive_write_header(out, entry) == ARCHIVE_OK &&
		archive_write_data(out, data, size) == (la_ssize_t)size;
	archive_entry_free(entry);
	return is_done;
}

/* --- what must not be seen ------------------------------------------------------------------------ */

static const char *without_module(const char *member)
{
	const char *colon = strchr(member, ':');

	return colon ? colon + 1 : member;
}

static bool is_secret(const char *parent, const char *member)
{
	_cleanup_free_ char *line =
		xasprintf("\n%s %s\n", without_module(parent), without_module(member));

	return strstr(secrets, line);
}

/* @parent: the member that it is the value of, or an element of that. */
static void hide(const char *parent, json_t *value)
{
	const char *name;
	json_t *member;
	void *next;
	size_t i;

	json_object_foreach_safe(value, next, name, member)
	{
		if (is_secret(parent, name))
			json_object_set_new(value, name, json_string(HIDDEN));
		else
			hide(name, member);
	}
	json_array_foreach(value, i, member) hide(parent, member);
}

/* @text: a JSON object, or its members alone; nothing: an empty one. */
static bool add_json(const char *name, const char *text)
{
	_cleanup_free_ char *whole = NULL, *printed = NULL;
	json_error_t error;
	json_t *json;

	text += strspn(text, " \t\r\n");
	whole = *text == '{' ? xstrdup(text) : xasprintf("{%s}", text);
	json = json_loads(whole, 0, &error);
	if (!json) { /* better not at all than with what is secret */
		_cleanup_free_ char *said =
			xasprintf("line %d, column %d: %s\n", error.line, error.column, error.text);

		return add(name, said, strlen(said));
	}
	hide("", json);
	printed = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	return printed && add(name, printed, strlen(printed));
}

/* --- parts ----------------------------------------------------------------------------------------- */

/* 1: there is one; 0: there are no more. */
static int read_part(char *name, char **ret_data)
{
	size_t size;
	char *data;

	if (scanf("%31s %zu", name, &size) != 2)
		return 0;
	if (getchar() != '\n' || size > PART_MAX)
		return -EBADMSG;
	data = xcalloc(1, size + 1);
	if (fread(data, 1, size, stdin) != size) {
		free(data);
		return -EBADMSG;
	}
	*ret_data = data;
	return 1;
}

static bool add_parts(void)
{
	bool is_done = true;
	char name[32];
	int r = 1;

	while (is_done && r > 0) {
		_cleanup_free_ char *data = NULL;

		r = read_part(name, &data);
		if (r <= 0)
			break;
		if (!secrets && !str_equal(name, "secrets"))
			return false;
		if (!secrets)
			secrets = xasprintf("\n%s", data);
		else
			is_done = add_json(name, data);
	}
	return is_done && r == 0 && secrets;
}

/* Each read(2) is a record: as far as it is kept. */
static bool add_kernel_log(void)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_(buf_done) struct buf text = { 0 };
	char record[8192];
	ssize_t n;

	buf_init(&text, FILE_MAX);
	while (fd >= 0 && ((n = read(fd, record, sizeof(record))) > 0 || (n < 0 && errno == EPIPE)))
		if (n > 0 && buf_append(&text, record, (size_t)n) < 0)
			break;
	return add("kernel.log", buf_bytes(&text), text.length);
}

static bool add_files(void)
{
	bool is_done = add_kernel_log();

	for (size_t i = 0; is_done && i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = NULL, *name = xasprintf("files%s", files[i]);

		if (file_read_virtual(files[i], FILE_MAX, &text, NULL) == 0)
			is_done = add(name, text, strlen(text));
	}
	return is_done;
}

int main(void)
{
	out = archive_write_new();
	if (archive_write_add_filter_gzip(out) != ARCHIVE_OK ||
		archive_write_set_format_pax_restricted(out) != ARCHIVE_OK ||
		archive_write_open_fd(out, STDOUT_FILENO) != ARCHIVE_OK)
		return fail(archive_error_string(out));
	if (!add_parts())
		return fail("what was to be collected is not whole");
	if (!add_files() || archive_write_close(out) != ARCHIVE_OK)
		return fail(archive_error_string(out));
	archive_write_free(out);
	free(secrets);
	return 0;
}
