/* HTTP requests: good and bad heads, chunked bodies split at every place, lists, dates, credentials. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "http.h"

#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

/* What the parser says of a whole head; 1: none was found. */
static unsigned parse(const char *text, size_t size, struct http_head *ret_head)
{
	const char *reason = NULL;
	size_t scanned = 0;
	ssize_t end = http_head_end(text, size, &scanned);
	unsigned status;

	if (end == -EBADMSG)
		return 400;
	if (end == -EMSGSIZE)
		return 431;
	if (end == 0)
		return 1;
	status = http_head_parse(text, (size_t)end, ret_head, &reason);
	assert_true((status != 0) == (reason != NULL));
	if (status)
		assert_true(http_status_text(status)[0] != '\0');
	return status;
}

static const struct {
	const char *text;
	size_t size; /* 0: strlen */
	unsigned status;
} heads[] = {
	/* good */
	{ GET "Host: a\r\n\r\n", 0, 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0, 0 },
	{ "GET / HTTP/1.0\r\nHost: a:1\r\n\r\n", 0, 0 },
	{ "GET https://a/b HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0 },
	{ "GET HTTPS://a/ HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0 },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0 },
	{ GET "Host: [2001:db8::1]:443\r\nX:\r\nY: \t\r\nZ: \xc3\xa4\r\n\r\n", 0, 0 },
	{ GET "hOST:a\r\n\r\n", 0, 0 },
	{ GET "Host: \t a \t\r\n\r\n", 0, 0 },
	{ "GET /%2C\"'()!$&*+,;=:@~ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0 },
	{ POST "Content-Length: 5\r\n\r\n", 0, 0 },
	{ POST "Content-Length: 16777216\r\n\r\n", 0, 0 },
	{ POST "Content-Length: 000005\r\n\r\n", 0, 0 },
	{ POST "Transfer-Encoding: Chunked\r\n\r\n", 0, 0 },
	{ POST "Content-Encoding: identity\r\nExpect: 100-Continue\r\n\r\n", 0, 0 },
	/* more is needed */
	{ "", 0, 1 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n", 0, 1 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r", 0, 1 },
	/* line ends */
	{ "GET / HTTP/1.1\nHost: a\r\n\r\n", 0, 400 },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", 0, 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\n", 0, 400 },
	{ "\n", 0, 400 },
	{ "GET / HTTP/1.1\rHost: a\r\n\r\n", 0, 400 },
	{ GET "Host: a\rX: b\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\r\n\r\n", 0, 400 },
	/* the request line */
	{ "\r\n\r\n", 0, 400 },
	{ " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /\r\n\r\n", 0, 400 },
	{ "GET\r\n\r\n", 0, 400 },
	{ "G,T / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "get / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501 },
	{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501 },
	{ "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501 },
	{ "GET / HTTP/1.9\r\nHost: a\r\n\r\n", 0, 505 },
	{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0, 505 },
	{ "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 0, 505 },
	{ "GET / HTTP/+1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET / http/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 505 },
	/* the target */
	{ "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET https:///b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET https://u@a/b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	{ "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400 },
	/* fields */
	{ GET "\r\n", 0, 400 },
	{ GET "Host:\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nHost: a\r\n\r\n", 0, 400 },
	{ GET "Host: a b\r\n\r\n", 0, 400 },
	{ GET "Host: a/b\r\n\r\n", 0, 400 },
	{ GET "Host: a\"\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nName : v\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\n: v\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nNo colon\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nX: a\r\n b\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nX: a\r\n\tb\r\n\r\n", 0, 400 },
	{ GET " Host: a\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nX(: v\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nX: \x01\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nX: \x7f\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nX: \0y\r\n\r\n", sizeof(GET "Host: a\r\nX: _y\r\n\r\n") - 1, 400 },
	{ "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", sizeof("GET /_ HTTP/1.1\r\nHost: a\r\n\r\n") - 1,
		400 },
	{ GET "Host: a\0\r\n\r\n", sizeof(GET "Host: a_\r\n\r\n") - 1, 400 },
	{ GET "Host: a\r\nAuthorization: a\r\nAuthorization: a\r\n\r\n", 0, 400 },
	{ GET "Host: a\r\nAccept: a\r\nAccept: a\r\nAccept: a\r\nAccept: a\r\nAccept: a\r\n\r\n", 0,
		400 },
	/* lengths */
	{ POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400 },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 5, 5\r\n\r\n", 0, 400 },
	{ POST "Content-Length: +5\r\n\r\n", 0, 400 },
	{ POST "Content-Length: -0\r\n\r\n", 0, 400 },
	{ POST "Content-Length: -1\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 0x5\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 5 5\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 5a\r\n\r\n", 0, 400 },
	{ POST "Content-Length:\r\n\r\n", 0, 400 },
	{ POST "Content-Length: 16777217\r\n\r\n", 0, 413 },
	{ POST "Content-Length: 18446744073709551621\r\n\r\n", 0, 413 },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n", 0, 501 },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, 501 },
	{ POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 0, 501 },
	{ POST "Transfer-Encoding:\r\n\r\n", 0, 501 },
	{ POST "Transfer-Encoding : chunked\r\n\r\n", 0, 400 },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400 },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400 },
	/* others */
	{ POST "Expect: 200-maybe\r\n\r\n", 0, 417 },
	{ POST "Content-Encoding: gzip\r\n\r\n", 0, 415 },
};

static void test_heads(void **state)
{
	struct http_head head;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		size_t size = heads[i].size ? heads[i].size : strlen(heads[i].text);
		unsigned status = parse(heads[i].text, size, &head);

		if (status != heads[i].status)
			fail_msg("%s: %u instead of %u", heads[i].text, status, heads[i].status);
	}
}

/* The end is found at the same place however the bytes arrive. */
static void test_head_in_pieces(void **state)
{
	static const char text[] = GET "Host: a\r\nX: y\r\n\r\nGET";
	const size_t whole = sizeof(text) - 1 - 3;
	size_t cut, size;

	for (cut = 0; cut < whole; cut++) {
		size_t scanned = 0;

		assert_int_equal(http_head_end(text, cut, &scanned), 0);
		assert_true(scanned <= cut);
		assert_int_equal(http_head_end(text, sizeof(text) - 1, &scanned), (ssize_t)whole);
	}
	for (size = 0, cut = 0; size < whole; size++)
		assert_int_equal(http_head_end(text, size, &cut), 0);
	assert_int_equal(http_head_end(text, whole, &cut), (ssize_t)whole);
}

static void fill(char *text, size_t size, const char *begin, const char *end)
{
	memset(text, 'x', size);
	memcpy(text, begin, strlen(begin));
	memcpy(text + size - strlen(end), end, strlen(end));
}

static void test_limits(void **state)
{
	_cleanup_free_ char *text = xcalloc(1, 2 * HTTP_HEAD_MAX);
	struct http_head head;
	size_t i, size;

	fill(text, HTTP_HEAD_MAX, GET "Host: a\r\nX: ", "\r\n\r\n");
	assert_int_equal(parse(text, HTTP_HEAD_MAX, &head), 0);
	fill(text, HTTP_HEAD_MAX + 1, GET "Host: a\r\nX: ", "\r\n\r\n");
	assert_int_equal(parse(text, HTTP_HEAD_MAX + 1, &head), 431);
	memset(text, 'x', HTTP_HEAD_MAX);
	assert_int_equal(parse(text, HTTP_HEAD_MAX, &head), 431);
	fill(text, HTTP_TARGET_MAX + 27, "GET /", " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(parse(text, HTTP_TARGET_MAX + 27, &head), 414);
	fill(text, HTTP_TARGET_MAX + 26, "GET /", " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(parse(text, HTTP_TARGET_MAX + 26, &head), 0);
	size = (size_t)sprintf(text, GET "Host: a\r\n");
	for (i = 1; i < HTTP_FIELDS_MAX; i++)
		size += (size_t)sprintf(text + size, "X: y\r\n");
	(void)sprintf(text + size, "\r\n");
	assert_int_equal(parse(text, size + 2, &head), 0);
	(void)sprintf(text + size, "X: y\r\n\r\n");
	assert_int_equal(parse(text, size + 8, &head), 431);
}

static void assert_text(struct http_text text, const char *expected)
{
	if (!expected) {
		assert_null(text.at);
		return;
	}
	assert_non_null(text.at);
	assert_int_equal(text.size, strlen(expected));
	assert_memory_equal(text.at, expected, text.size);
}

static void test_values(void **state)
{
	static const char text[] =
		"PUT https://b:8443/restconf/data/a:b=%20?depth=1&x HTTP/1.1\r\n"
		"Host: a\r\nAuthorization: Basic eA==\r\ncontent-type:  application/yang-data+json\r\n"
		"Content-Length: 12\r\nAccept: a/b\r\naccept: c/d\r\nIf-Match: \"1\"\r\n"
		"If-Unmodified-Since: x\r\nConnection: foo , Close\r\nExpect: 100-continue\r\n\r\n";
	struct http_head head;

	assert_int_equal(parse(text, sizeof(text) - 1, &head), 0);
	assert_int_equal(head.method, HTTP_PUT);
	assert_string_equal(http_method_name(head.method), "PUT");
	assert_int_equal(head.minor, 1);
	assert_text(head.path, "/restconf/data/a:b=%20");
	assert_text(head.query, "depth=1&x");
	assert_text(head.host, "b:8443");
	assert_text(head.authorization, "Basic eA==");
	assert_text(head.content_type, "application/yang-data+json");
	assert_text(head.if_unmodified_since, "x");
	assert_text(head.if_modified_since, NULL);
	assert_int_equal(head.content_length, 12);
	assert_int_equal(head.accept.count, 2);
	assert_text(head.accept.line[1], "c/d");
	assert_int_equal(head.if_match.count, 1);
	assert_int_equal(head.if_none_match.count, 0);
	assert_false(head.keeps_alive);
	assert_true(head.expects_continue);
	assert_false(head.is_chunked);
}

static void test_keep_alive(void **state)
{
	static const struct {
		const char *text;
		bool keeps;
	} cases[] = {
		{ GET "Host: a\r\n\r\n", true },
		{ GET "Host: a\r\nConnection: keep-alive\r\n\r\n", true },
		{ GET "Host: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false },
		{ GET "Host: a\r\nConnection: keep-alive, close\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive,close\r\n\r\n", false },
	};
	struct http_head head;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &head), 0);
		assert_int_equal(head.keeps_alive, cases[i].keeps);
		assert_text(head.query, NULL);
	}
}

static const struct {
	const char *stream; /* what follows a body is "GET" */
	const char *body;
	int ret; /* 1: complete, 0: more is needed */
} chunk_cases[] = {
	{ "5\r\nhello\r\n0\r\n\r\nGET", "hello", 1 },
	{ "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", "hello world", 1 },
	{ "0\r\n\r\nGET", "", 1 },
	{ "00000005\r\nhello\r\n0\r\n\r\nGET", "hello", 1 },
	{ "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\nGET", "01234567890123456789", 1 },
	{ "5;x=1\r\nhello\r\n0;y=\"z\"\r\n\r\nGET", "hello", 1 },
	{ "5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\nGET", "hello", 1 },
	{ "2\r\n\r\n\r\n0\r\n\r\nGET", "\r\n", 1 },
	{ "5\r\nhel", "hel", 0 },
	{ "5\r\nhello\r\n0\r\n", "hello", 0 },
	{ "0x5\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "+5\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "-5\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ " 5\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "5 \r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "5 ;x\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ ";x\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "5\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "5\rhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "5;\n\r\nhello\r\n0\r\n\r\n", "", -EBADMSG },
	{ "5\r\nhello0\r\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\n0\r\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\r\n0\r\n X: y\r\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\r\n0\r\nX y\r\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\r\n0\r\nX : y\r\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\r\n0\r\n: y\r\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\r\n0\r\nX: y\n\r\n", "hello", -EBADMSG },
	{ "5\r\nhello\r\n0\r\n\rX", "hello", -EBADMSG },
	{ "000000005\r\nhello\r\n0\r\n\r\n", "", -EMSGSIZE },
	{ "1000001\r\n", "", -EMSGSIZE },
	{ "ffffffff\r\n", "", -EMSGSIZE },
	{ "5\r\nhello\r\nfffffc\r\n", "hello", -EMSGSIZE },
};

static int take_pieces(const char *stream, size_t cut, struct buf *body)
{
	size_t size = strlen(stream), at = 0;
	struct http_chunks chunks = { 0 };

	while (at < size && !chunks.is_complete) {
		size_t end = at < cut ? cut : size;
		ssize_t ret = http_chunks_take(&chunks, stream + at, end - at, body);

		if (ret < 0)
			return (int)ret;
		at += (size_t)ret;
		assert_true(chunks.is_complete || at == end);
	}
	if (chunks.is_complete)
		assert_string_equal(stream + at, "GET");
	return chunks.is_complete;
}

static void test_chunks(void **state)
{
	size_t i, cut;

	for (i = 0; i < ARRAY_SIZE(chunk_cases); i++) {
		for (cut = 0; cut <= strlen(chunk_cases[i].stream); cut++) {
			_cleanup_(buf_done) struct buf body = { .max = HTTP_BODY_MAX };
			int ret = take_pieces(chunk_cases[i].stream, cut, &body);

			if (ret != chunk_cases[i].ret)
				fail_msg("%s cut at %zu: %d instead of %d", chunk_cases[i].stream,
					cut, ret, chunk_cases[i].ret);
			assert_string_equal(buf_bytes(&body), chunk_cases[i].body);
		}
	}
}

/* A body of many small parts may be large; what is not body may not. */
static void test_chunk_limits(void **state)
{
	struct http_chunks chunks = { 0 };
	_cleanup_(buf_done) struct buf body = { .max = HTTP_BODY_MAX };
	size_t i;
	ssize_t ret = 0;

	for (i = 0; i < 100000; i++)
		assert_int_equal(http_chunks_take(&chunks, "1\r\nx\r\n", 6, &body), 6);
	assert_int_equal(body.length, 100000);
	for (i = 0; i < 10000 && ret >= 0; i++)
		ret = http_chunks_take(&chunks, "1;a\r\nx\r\n", 8, &body);
	assert_int_equal(ret, -EMSGSIZE);
	memset(&chunks, 0, sizeof(chunks));
	assert_int_equal(http_chunks_take(&chunks, "0\r\n", 3, &body), 3);
	for (i = 0, ret = 0; i < 10000 && ret >= 0; i++)
		ret = http_chunks_take(&chunks, "X:\r\n", 4, &body);
	assert_int_equal(ret, -EMSGSIZE);
}

static void test_lists(void **state)
{
	struct http_text rest = { " a,, b ,c\t", 10 }, element;

	assert_true(http_list_next(&rest, &element));
	assert_text(element, "a");
	assert_true(http_list_next(&rest, &element));
	assert_text(element, "b");
	assert_true(http_list_next(&rest, &element));
	assert_text(element, "c");
	assert_false(http_list_next(&rest, &element));
}

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		unsigned json, xml;
	} cases[] = {
		{ NULL, 1000, 1000 },
		{ "*/*", 1000, 1000 },
		{ "application/yang-data+json", 1000, 0 },
		{ "Application/Yang-Data+XML", 0, 1000 },
		{ "application/*;q=0.5, application/yang-data+xml", 500, 1000 },
		{ "application/yang-data+xml;q=0, */*", 1000, 0 },
		{ "text/html, application/yang-data+xml; charset=utf-8 ; q=0.250", 0, 250 },
		{ "application/yang-data+json;q=0.9,application/yang-data+xml;q=0.001", 900, 1 },
		{ "application/json, text/*", 0, 0 },
		{ "application/yang-data", 0, 0 },
		{ "", 0, 0 },
		{ "*/*;q=9", 1000, 1000 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_lines lines = { .count = cases[i].accept ? 1 : 0 };

		if (cases[i].accept)
			lines.line[0] =
				(struct http_text){ cases[i].accept, strlen(cases[i].accept) };
		assert_int_equal(
			http_accept_quality(&lines, "application/yang-data+json"), cases[i].json);
		assert_int_equal(
			http_accept_quality(&lines, "application/yang-data+xml"), cases[i].xml);
	}
}

static void test_media_type(void **state)
{
	assert_text(http_media_type((struct http_text){ "a/b ; charset=utf-8", 19 }), "a/b");
	assert_text(http_media_type((struct http_text){ "a/b", 3 }), "a/b");
}

static void test_basic(void **state)
{
	static const struct {
		const char *value, *user, *password; /* user NULL: refused */
	} cases[] = {
		{ "Basic YWRtaW46c2VjcmV0", "admin", "secret" },
		{ "basic  YWRtaW46c2VjcmV0", "admin", "secret" },
		{ "Basic YTo=", "a", "" },
		{ "Basic YTpiOmM=", "a", "b:c" },
		{ "Basic w6Q6w7Y=", "\xc3\xa4", "\xc3\xb6" },
		{ "Basic", NULL, NULL },
		{ "Basic ", NULL, NULL },
		{ "Bearer YWRtaW46c2VjcmV0", NULL, NULL },
		{ "Basic YWRtaW4=", NULL, NULL },	      /* no colon */
		{ "Basic OnNlY3JldA==", NULL, NULL },	      /* no user */
		{ "Basic YWRtaW46c2VjcmV", NULL, NULL },      /* no padding */
		{ "Basic YWRtaW4=OnNlY3JldA==", NULL, NULL }, /* padding inside */
		{ "Basic YWRt!W46c2VjcmV0", NULL, NULL },
		{ "Basic YWRtaW46 c2VjcmV0", NULL, NULL },
		{ "Basic YQA6Yg==", NULL, NULL }, /* a NUL in the name */
		{ "Basic YTpiCg==", NULL, NULL }, /* a line feed in the password */
		{ "Basic ====", NULL, NULL },
		{ "Basic YWRtaW5pc3RyYXRvcjpi", NULL, NULL }, /* longer than the room */
		{ "Basic YTpwYXNzd29yZDEy", NULL, NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char user[8], password[8];
		int ret = http_basic((struct http_text){ cases[i].value, strlen(cases[i].value) },
			user, sizeof(user), password, sizeof(password));

		if ((ret == 0) != (cases[i].user != NULL))
			fail_msg("%s: %d", cases[i].value, ret);
		if (ret < 0)
			continue;
		assert_string_equal(user, cases[i].user);
		assert_string_equal(password, cases[i].password);
	}
}

static void test_dates(void **state)
{
	static const char *const good[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };
	static const char *const bad[] = { "", "Sun, 06 Nov 1994 08:49:37", "784111777",
		"Sun, 06 Nov 1994 08:49:37 GMT and then some text that is far too long",
		"Sun, 06 Nov 1994 08:49:37 CET" };
	char text[HTTP_DATE_MAX];
	time_t when;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		when = 0;
		assert_true(http_date_parse((struct http_text){ good[i], strlen(good[i]) }, &when));
		assert_int_equal(when, 784111777);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(http_date_parse((struct http_text){ bad[i], strlen(bad[i]) }, &when));
	http_date(text, 784111777);
	assert_string_equal(text, good[0]);
}

static void test_etags(void **state)
{
	struct http_text rest = { "\"a,b\" , W/\"c\",\"\"", 16 }, tag;
	static const char *const bad[] = { "*", "a", "\"a", "W/a", "\"a\" b", "W/" };
	bool is_weak;
	size_t i;

	assert_int_equal(http_etag_next(&rest, &tag, &is_weak), 1);
	assert_text(tag, "a,b");
	assert_false(is_weak);
	assert_int_equal(http_etag_next(&rest, &tag, &is_weak), 1);
	assert_text(tag, "c");
	assert_true(is_weak);
	assert_int_equal(http_etag_next(&rest, &tag, &is_weak), 1);
	assert_text(tag, "");
	assert_int_equal(http_etag_next(&rest, &tag, &is_weak), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int ret = 1;

		rest = (struct http_text){ bad[i], strlen(bad[i]) };
		while (ret == 1)
			ret = http_etag_next(&rest, &tag, &is_weak);
		assert_int_equal(ret, -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_head_in_pieces),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_chunk_limits),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_media_type),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_etags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
