/*
 * ashlar-url: gets, puts or deletes what an https URL names, for the daemon, which neither waits for others nor
 * reads what they send before it has all of it.
 *
 * Standard input: "get SIZE URL", "put SIZE URL" or "delete SIZE URL", a newline, SIZE bytes of certificates that
 * are trusted besides the system's, and what is to be put. Standard output: what was got; or, with exit status 1,
 * why not.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/buf.h"
#include "ashlar/file.h"
#include "ashlar/str.h"
#include "ashlar/transfer.h"

#include "url.h"

#define BYTES_MAX    ((size_t)32 << 20)
#define INPUT_MAX    (BYTES_MAX + URL_ANCHORS_MAX + 4096)
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

struct request {
	const char *act, *url, *anchors;
	size_t anchors_size;
	struct upload upload[2]; /* what is left, and all */
};

/* Cuts the input into its parts. */
static int parse(struct buf *input, struct request *request)
{
	char *at = (char *)buf_bytes(input), *end = memchr(at, '\n', input->length);
	char *size = end ? memchr(at, ' ', (size_t)(end - at)) : NULL;
	char *url = size ? memchr(size + 1, ' ', (size_t)(end - size - 1)) : NULL;
	size_t left;

	if (!url)
		return -EINVAL;
	*size++ = *url++ = *end++ = '\0';
	left = input->length - (size_t)(end - at);
	request->act = at;
	request->url = url;
	request->anchors = end;
	request->anchors_size = strtoul(size, NULL, 10);
	if (request->anchors_size > left)
		return -EINVAL;
	request->upload[0].at = end + request->anchors_size;
	request->upload[0].left = left - request->anchors_size;
	request->upload[1] = request->upload[0];
	return 0;
}

int main(void)
{
	_cleanup_(buf_done) struct buf input = { 0 }, out = { 0 };
	char why[CURL_ERROR_SIZE] = "";
	struct transfer_trust trust = { NULL, 0 };
	struct request request;
	CURLcode result;
	CURL *curl;

	if (read_input(&input) < 0 || !input.length || parse(&input, &request) < 0)
		return fail("the request cannot be read");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	curl = curl_easy_init();
	if (!curl || transfer_trust_read(request.anchors, request.anchors_size, &trust) < 0 ||
		transfer_trust_set(curl, &trust) < 0 || transfer_drop_privileges() < 0)
		return fail("there is no way to fetch anything");
	transfer_trust_done(&trust);
	set_up(curl, request.act, request.url, request.upload, &out, why);
	result = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	if (result != CURLE_OK)
		return fail(*why ? why : curl_easy_strerror(result));
	if (str_equal(request.act, "get") && out.length &&
		file_write_all(STDOUT_FILENO, buf_bytes(&out), out.length) < 0)
		return 1;
	return 0;
}
