/*
 * ashlar-url: gets, puts or deletes what an https URL names, for the daemon, which neither waits for others nor
 * reads what they send before it has all of it.
 *
 * Standard input: "get URL", "put URL" or "delete URL", a newline, and what is to be put. Standard output: what
 * was got; or, with exit status 1, why not.
 */
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ashlar/buf.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#define BYTES_MAX    ((size_t)32 << 20)
#define INPUT_MAX    (BYTES_MAX + 4096)
#define ANCHORS_MAX  ((size_t)4 << 20)
#define NOBODY	     65534
#define CONNECT_S    15L
#define WHOLE_S	     75L
#define REDIRECTIONS 5L

static int fail(const char *why)
{
	(void)!write(STDOUT_FILENO, why, strlen(why));
	return 1;
}

static int read_input(struct buf *input)
{
	char bytes[16384];
	ssize_t got;

	while ((got = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0) {
		if (input->length + (size_t)got > INPUT_MAX ||
			buf_append(input, bytes, (size_t)got) < 0)
			return -EFBIG;
	}
	return got < 0 ? -errno : 0;
}

/* What strangers' bytes are read with. */
static int drop_privileges(void)
{
	if (geteuid() == 0 &&
		(setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct buf *out = arg;

	if (out->length + size * count > BYTES_MAX || buf_append(out, bytes, size * count) < 0)
		return 0;
	return size * count;
}

struct upload {
	const char *at;
	size_t left;
};

static size_t give(char *bytes, size_t size, size_t count, void *arg)
{
	struct upload *upload = arg;
	size_t length = size * count < upload->left ? size * count : upload->left;

	memcpy(bytes, upload->at, length);
	upload->at += length;
	upload->left -= length;
	return length;
}

/* Redirected to after some was sent: from the beginning. */
static int rewind_upload(void *arg, curl_off_t offset, int origin)
{
	struct upload *upload = arg;
	size_t sent;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	sent = (size_t)offset;
	upload[0] = (struct upload){ upload[1].at + sent, upload[1].left - sent };
	return CURL_SEEKFUNC_OK;
}

static void set_up(CURL *curl, const char *act, const char *url, struct upload *upload,
	struct buf *out, char *why)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTIONS);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, WHOLE_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ashlar");
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)BYTES_MAX);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	if (str_equal(act, "delete"))
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	if (!str_equal(act, "put"))
		return;
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(curl, CURLOPT_READDATA, upload);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_upload);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, upload);
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)upload->left);
}

/* Whom to trust, if not the system's; read while we may. */
static int set_anchors(CURL *curl)
{
	const char *path = getenv("SSL_CERT_FILE");
	_cleanup_free_ char *text = NULL;
	struct curl_blob blob = { .flags = CURL_BLOB_COPY };
	size_t size;

	if (!path || !*path)
		return 0;
	if (file_read(path, ANCHORS_MAX, &text, &size, NULL) < 0)
		return -EIO;
	blob.data = text;
	blob.len = size;
	return curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK ? 0 : -EIO;
}

int main(void)
{
	_cleanup_(buf_done) struct buf input = { 0 }, out = { 0 };
	struct upload upload[2] = { 0 }; /* what is left, and all */
	char why[CURL_ERROR_SIZE] = "", *act, *url, *end;
	CURLcode result;
	CURL *curl;

	if (read_input(&input) < 0 || !input.length)
		return fail("the request cannot be read");
	act = (char *)buf_bytes(&input);
	end = memchr(act, '\n', input.length);
	url = end ? memchr(act, ' ', (size_t)(end - act)) : NULL;
	if (!url)
		return fail("the request cannot be read");
	*url++ = *end = '\0';
	upload[0] = upload[1] = (struct upload){ end + 1, input.length - (size_t)(end + 1 - act) };
	curl_global_init(CURL_GLOBAL_DEFAULT);
	curl = curl_easy_init();
	if (!curl || set_anchors(curl) < 0 || drop_privileges() < 0)
		return fail("there is no way to fetch anything");
	set_up(curl, act, url, upload, &out, why);
	result = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	if (result != CURLE_OK)
		return fail(*why ? why : curl_easy_strerror(result));
	if (str_equal(act, "get") && out.length &&
		file_write_all(STDOUT_FILENO, buf_bytes(&out), out.length) < 0)
		return 1;
	return 0;
}
