/*
 * The configuration that the kernel's command line names. ashlar-provision gets it and opens it; what did not come, or
 * was not good, is asked for again after a while that doubles, as whoever serves it may mend it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/image.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#define WORD		 "ashlar.config_url="
#define CMDLINE_MAX	 4096
#define DEADLINE_MS	 120000
#define OUTPUT_MAX	 ((size_t)16 * 1024 * 1024 + 4096)
#define FIRST_PAUSE_MS	 2000
#define LONGEST_PAUSE_MS 300000
#define MERGE		 "merge\n"
#define REPLACE		 "replace\n"

static struct {
	char *url, *shown;
	char *share_dir;
	char *path;
	struct child *child;
	struct loop_timer *timer;
	uint64_t pause_ms;
	config_url_fn found;
	void *arg;
} asked;

char *config_url_of(const char *cmdline)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *word;

	if (file_read_virtual(cmdline, CMDLINE_MAX, &text, NULL) < 0)
		return NULL;
	rest = text;
	while ((word = strsep(&rest, " \n"))) {
		if (str_starts(word, WORD) && word[strlen(WORD)])
			return xstrdup(word + strlen(WORD));
	}
	return NULL;
}

/* For everybody to see: without whoever asks, and without what he asks for beside the path. */
static char *make_shown(const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *host = scheme ? scheme + strlen("://") : url;
	const char *at = memchr(host, '@', strcspn(host, "/?#"));

	if (at)
		host = at + 1;
	return xasprintf("%.*s%.*s", scheme ? (int)(scheme + 3 - url) : 0, url,
		(int)strcspn(host, "?#"), host);
}

static void tell(const char *path, bool is_merge, const struct err *err)
{
	asked.found(asked.shown, path, is_merge, err, asked.arg);
}

static void got(const struct child_result *result, void *arg)
{
	bool is_merge = str_starts(result->output, MERGE);
	size_t skip = is_merge ? strlen(MERGE) : strlen(REPLACE);
	_cleanup_err_ struct err err = { 0 };
	int r;

	asked.child = NULL;
	if (result->timed_out)
		r = err_set(&err, -ETIMEDOUT, NULL, "it takes too long");
	else if (result->truncated)
		r = err_set(&err, -EFBIG, NULL, "it is too large");
	else if (result->status || (!is_merge && !str_starts(result->output, REPLACE)))
		r = err_set(&err, -EIO, NULL, "%.*s", (int)strcspn(result->output, "\n"),
			result->output_size ? result->output : "it cannot be fetched");
	else
		r = file_write_atomic(
			asked.path, result->output + skip, result->output_size - skip, 0600, &err);
	tell(r < 0 ? NULL : asked.path, is_merge, r < 0 ? &err : NULL);
}

static void ask(void *arg)
{
	_cleanup_free_ char *program = child_helper("ashlar-provision");
	_cleanup_free_ char *anchors = xasprintf(
		"SSL_CERT_FILE=%s", getenv("SSL_CERT_FILE") ? getenv("SSL_CERT_FILE") : "");
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.argv = (const char *const[]){ program, asked.share_dir, NULL },
		.env = (const char *const[]){ anchors, NULL },
		.input = asked.url, /* not for all to see, as arguments are */
		.input_size = strlen(asked.url),
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.done = got,
	};

	if (child_start(&opts, &asked.child, &err) < 0)
		tell(NULL, false, &err);
}

void config_url_ask(
	const char *url, const char *run_dir, const char *share_dir, config_url_fn found, void *arg)
{
	asked.url = xstrdup(url);
	asked.shown = make_shown(url);
	asked.share_dir = xstrdup(share_dir);
	asked.path = file_join(run_dir, "config-url.cfg");
	asked.timer = loop_timer_new("config-url", ask, NULL);
	asked.pause_ms = FIRST_PAUSE_MS;
	asked.found = found;
	asked.arg = arg;
	loop_timer_start(asked.timer, 0);
}

void config_url_again(void)
{
	(void)unlink(asked.path);
	loop_timer_start(asked.timer, asked.pause_ms);
	asked.pause_ms *= 2;
	if (asked.pause_ms > LONGEST_PAUSE_MS)
		asked.pause_ms = LONGEST_PAUSE_MS;
}

void config_url_stop(void)
{
	if (asked.path)
		(void)unlink(asked.path);
	child_cancel(TAKE(asked.child));
	loop_timer_free(TAKE(asked.timer));
	free(TAKE(asked.url));
	free(TAKE(asked.shown));
	free(TAKE(asked.share_dir));
	free(TAKE(asked.path));
}
