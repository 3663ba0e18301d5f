/*
 * A transfer is read like a file: libcurl works while the reader waits, and is paused while the reader has
 * not taken what came. What ends early for a reason that may pass is asked for again from there on, after a
 * while that doubles; a server that cannot begin in the middle sends all of it, and what is known is dropped.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ashlar/buf.h"
#include "ashlar/file.h"
#include "ashlar/str.h"
#include "ashlar/transfer.h"

#define ANCHORS_MAX    ((size_t)4 << 20) /* of the system */
#define NOBODY	       65534
#define CONNECT_S      15L
#define IDLE_S	       30L /* without a byte */
#define REDIRECTIONS   5L
#define HELD_MAX       ((size_t)256 << 10) /* not yet taken by the reader */
#define ATTEMPTS_MAX   6		   /* in a row that brought nothing */
#define FIRST_PAUSE_MS 500
#define POLL_MS	       10000

/* Where the image has them; elsewhere libcurl knows. */
#define IMAGE_ANCHORS "/usr/share/ca-certificates/all.crt"

struct transfer {
	CURL *curl;
	CURLM *multi;
	struct curl_slist *headers;
	struct transfer_opts opts;
	struct buf held;
	uint64_t taken; /* from the server, all in all */
	uint64_t skip;	/* of what comes now: known already */
	unsigned attempts;
	bool is_paused, is_at_end;
	uint64_t attempt_from; /* taken when the attempt began */
	char why[CURL_ERROR_SIZE];
};

/* --- trust and privileges --------------------------------------------------------------------- */

int transfer_trust_read(const char *given, size_t given_size, struct transfer_trust *ret_trust)
{
	const char *path = getenv("SSL_CERT_FILE");
	bool is_told = path && *path;
	_cleanup_(buf_done) struct buf all = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (!is_told) {
		path = curl_version_info(CURLVERSION_NOW)->cainfo;
		if (!path || !file_exists(path))
			path = IMAGE_ANCHORS;
	}
	/* The system need not have any. */
	if (file_read(path, ANCHORS_MAX, &text, &size, NULL) < 0 && is_told)
		return -EIO;
	(void)!buf_append(&all, text ? text : "", size); /* no ceiling */
	(void)!buf_append(&all, "\n", 1);
	(void)!buf_append(&all, given, given_size);
	ret_trust->size = all.length;
	ret_trust->pem = buf_take(&all);
	return 0;
}

int transfer_trust_set(CURL *curl, const struct transfer_trust *trust)
{
	struct curl_blob blob = { trust->pem, trust->size, CURL_BLOB_COPY };

	if (!trust->pem)
		return 0;
	return curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK ? 0 : -EIO;
}

void transfer_trust_done(struct transfer_trust *trust)
{
	free(TAKE(trust->pem));
}

int transfer_drop_privileges(void)
{
	if (geteuid() == 0 &&
		(setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* --- one attempt ------------------------------------------------------------------------------ */

static size_t on_bytes(char *bytes, size_t unit, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t size = unit * count, known;

	if (transfer->held.length >= HELD_MAX) {
		transfer->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	known = size < transfer->skip ? size : (size_t)transfer->skip;
	transfer->skip -= known;
	if (transfer->taken + (size - known) > transfer->opts.max)
		return 0;
	transfer->taken += size - known;
	(void)!buf_append(&transfer->held, bytes + known, size - known); /* no ceiling */
	return size;
}

static void begin(struct transfer *transfer)
{
	transfer->attempt_from = transfer->taken;
	transfer->is_paused = false;
	(void)curl_multi_add_handle(transfer->multi, transfer->curl);
}

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
	_cleanup_free_ char *line = value ? xasprintf("%s: %s", name, value) : NULL;

	if (line)
		transfer->headers = curl_slist_append(transfer->headers, line);
}

struct transfer *transfer_new(const char *url, const struct transfer_opts *opts)
{
	struct transfer *transfer = XNEW(struct transfer);
	CURL *curl = transfer->curl = curl_easy_init();
	_cleanup_free_ char *bearer = opts->bearer ? xasprintf("Bearer %s", opts->bearer) : NULL;

	transfer->multi = curl_multi_init();
	if (!curl || !transfer->multi)
		abort(); /* out of memory */
	transfer->opts = *opts;
	add_header(transfer, "Accept", opts->accept);
	add_header(transfer, "Authorization", bearer); /* libcurl tells it to no other host */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, opts->protocols);
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, opts->protocols);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTIONS);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, IDLE_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ashlar");
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	if (transfer_trust_set(curl, opts->trust) < 0)
		abort(); /* out of memory */
	begin(transfer);
	return transfer;
}

void transfer_free(struct transfer *transfer)
{
	(void)curl_multi_remove_handle(transfer->multi, transfer->curl);
	curl_easy_cleanup(transfer->curl);
	(void)curl_multi_cleanup(transfer->multi);
	curl_slist_free_all(transfer->headers);
	buf_done(&transfer->held);
	free(transfer);
}

/* --- going on ---------------------------------------------------------------------------------- */

static int fail(const struct transfer *transfer, CURLcode code, struct err *err)
{
	if (code == CURLE_WRITE_ERROR)
		return err_set(err, -EFBIG, NULL, "the server sends more than %ju bytes",
			(uintmax_t)transfer->opts.max);
	return err_set(
		err, -EIO, NULL, "%s", *transfer->why ? transfer->why : curl_easy_strerror(code));
}

/* Cut off by what may pass. */
static bool may_pass(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

/* The attempt has ended with @code. 0: the next one has begun. */
static int go_on(struct transfer *transfer, CURLcode code, struct err *err)
{
	bool has_brought = transfer->taken > transfer->attempt_from;
	bool cannot_resume = code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME;

	(void)curl_multi_remove_handle(transfer->multi, transfer->curl);
	if (cannot_resume && transfer->skip == 0 && transfer->taken) {
		curl_easy_setopt(transfer->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)0);
		transfer->skip = transfer->taken;
		begin(transfer);
		return 0;
	}
	/* What never began tells at once. */
	if (!may_pass(code) || !transfer->taken)
		return fail(transfer, code, err);
	transfer->attempts = has_brought ? 0 : transfer->attempts + 1;
	if (transfer->attempts == ATTEMPTS_MAX)
		return fail(transfer, code, err);
	/* Nothing tells when the server is there again. */
	(void)curl_multi_poll(transfer->multi, NULL, 0, FIRST_PAUSE_MS << transfer->attempts, NULL);
	curl_easy_setopt(transfer->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->taken);
	transfer->skip = 0;
	begin(transfer);
	return 0;
}

static int work(struct transfer *transfer, struct err *err)
{
	int running = 0, left;
	CURLMsg *message;

	if (transfer->is_paused && transfer->held.length < HELD_MAX) {
		transfer->is_paused = false;
		(void)curl_easy_pause(transfer->curl, CURLPAUSE_CONT);
	}
	if (curl_multi_perform(transfer->multi, &running) != CURLM_OK)
		return err_set(err, -EIO, NULL, "the transfer cannot go on");
	message = curl_multi_info_read(transfer->multi, &left);
	if (message && message->msg == CURLMSG_DONE) {
		if (message->data.result == CURLE_OK) {
			transfer->is_at_end = true;
			return 0;
		}
		return go_on(transfer, message->data.result, err);
	}
	if (!transfer->held.length)
		(void)curl_multi_poll(transfer->multi, NULL, 0, POLL_MS, NULL);
	return 0;
}

ssize_t transfer_read(struct transfer *transfer, void *bytes, size_t size, struct err *err)
{
	while (!transfer->held.length && !transfer->is_at_end) {
		int r = work(transfer, err);

		if (r < 0)
			return r;
	}
	if (size > transfer->held.length)
		size = transfer->held.length;
	if (size) {
		memcpy(bytes, buf_bytes(&transfer->held), size);
		buf_consume(&transfer->held, size);
	}
	return (ssize_t)size;
}

static void fill_reply(struct transfer *transfer, struct transfer_reply *reply)
{
	struct curl_header *header;

	(void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	if (curl_easy_header(transfer->curl, "WWW-Authenticate", 0, CURLH_HEADER, -1, &header) ==
		CURLHE_OK)
		reply->www_authenticate = xstrdup(header->value);
}

int transfer_text(const char *url, const struct transfer_opts *opts, char **ret_text,
	size_t *ret_size, struct transfer_reply *ret_reply, struct err *err)
{
	_cleanup_(transfer_freep) struct transfer *transfer = transfer_new(url, opts);
	_cleanup_(buf_done) struct buf text = { 0 };
	char bytes[16384];
	ssize_t got;

	if (ret_reply)
		curl_easy_setopt(transfer->curl, CURLOPT_FAILONERROR, 0L);
	while ((got = transfer_read(transfer, bytes, sizeof(bytes), err)) > 0)
		(void)!buf_append(&text, bytes, (size_t)got); /* at most opts->max */
	if (got < 0)
		return (int)got;
	if (ret_reply)
		fill_reply(transfer, ret_reply);
	*ret_size = text.length;
	*ret_text = buf_take(&text);
	return 0;
}
