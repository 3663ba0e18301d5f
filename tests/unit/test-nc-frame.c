/* NETCONF framing: every split of good streams, every kind of bad one, the limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "nc-frame.h"

#define LIMIT 64

/* Feeds the stream in pieces that end at @cut1 and @cut2; the messages, each followed by "|". */
static int feed(bool is_chunked, const char *stream, size_t cut1, size_t cut2, struct buf *messages)
{
	size_t size = strlen(stream), at = 0;
	struct nc_frame frame;
	int ret = 0;

	nc_frame_init(&frame, LIMIT);
	frame.is_chunked = is_chunked;
	while (at < size) {
		size_t end = at < cut1 ? cut1 : at < cut2 ? cut2 : size, used = 0;

		ret = nc_frame_next(&frame, stream + at, end - at, &used, NULL);
		if (ret < 0)
			break;
		assert_true(used <= end - at);
		assert_true(ret == 1 || used == end - at);
		at += used;
		if (ret == 1) {
			assert_int_equal(buf_append(messages, buf_bytes(&frame.message),
						 frame.message.length),
				0);
			assert_int_equal(buf_append_str(messages, "|"), 0);
			buf_clear(&frame.message);
			assert_false(nc_frame_is_open(&frame));
		}
	}
	ret = ret < 0 ? ret : nc_frame_is_open(&frame);
	nc_frame_done(&frame);
	return ret;
}

static const struct {
	bool is_chunked;
	const char *stream, *messages;
	int ret; /* 1: another message has begun */
} streams[] = {
	{ false, "<a/>]]>]]>", "<a/>|", 0 },
	{ false, "<a/>]]>]]>\n<b/>]]>]]>\n", "<a/>|<b/>|", 0 },
	{ false, "\r\n\t <a/> ]]>]]>", "<a/> |", 0 },
	{ false, "<a>]]></a>]]]>]]>", "<a>]]></a>]|", 0 },
	{ false, "]]>]]]>]]>]]>]]>", "]]>]||", 0 },
	{ false, "]]>]]>]]>]]>", "||", 0 },
	{ false, "<a/>]]>]]", "", 1 },
	{ false, "", "", 0 },
	{ true, "\n#4\n<a/>\n##\n", "<a/>|", 0 },
	{ true, "\n#1\n<\n#3\na/>\n##\n\n#4\n<b/>\n##\n", "<a/>|<b/>|", 0 },
	{ true, "\n#12\n\n#4\n<a/>\n##\n\n##\n", "\n#4\n<a/>\n##\n|", 0 },
	{ true, "\n#10\n0123456789\n##\n", "0123456789|", 0 },
	{ true, "\n#4\n<a/>\n", "", 1 },
	{ true, "\n", "", 1 },
	{ true, "#4\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#04\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#0\n\n##\n", "", -EBADMSG },
	{ true, "\n##\n", "", -EBADMSG },
	{ true, "\n#4 \n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n# 4\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#+4\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#-4\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#4\r\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\r\n#4\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#4x\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#3\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#5\n<a/>\n##\n", "", -EBADMSG },
	{ true, "\n#4\n<a/>##\n", "", -EBADMSG },
	{ true, "\n#4\n<a/>\n#\n", "", -EBADMSG },
	{ true, "\n#4\n<a/>\n##x", "", -EBADMSG },
	{ true, "\n#4\n<a/>\n##\n<b/>", "<a/>|", -EBADMSG },
	{ true, "\n#4\n<a/>]]>]]>", "", -EBADMSG },
	{ true, "\n#65\n", "", -EMSGSIZE },
	{ true, "\n#4294967295\n", "", -EMSGSIZE },
	{ true, "\n#4294967296\n", "", -EMSGSIZE },
	{ true, "\n#99999999999999999999\n", "", -EMSGSIZE },
	{ true, "\n#4\n<a/>\n#61\n", "", -EMSGSIZE },
};

static void test_streams(void **state)
{
	size_t i, cut1, cut2;

	for (i = 0; i < ARRAY_SIZE(streams); i++) {
		size_t size = strlen(streams[i].stream);

		for (cut1 = 0; cut1 <= size; cut1++) {
			for (cut2 = cut1; cut2 <= size; cut2++) {
				_cleanup_(buf_done) struct buf messages = { 0 };
				int ret = feed(streams[i].is_chunked, streams[i].stream, cut1, cut2,
					&messages);

				if (ret != streams[i].ret ||
					strcmp(buf_bytes(&messages), streams[i].messages) != 0)
					fail_msg("stream %zu cut at %zu, %zu: %d \"%s\"", i, cut1,
						cut2, ret, buf_bytes(&messages));
			}
		}
	}
}

/* Byte by byte, at the limit and one beyond. */
static void test_limit(void **state)
{
	int over, chunked;

	for (chunked = 0; chunked <= 1; chunked++) {
		for (over = 0; over <= 1; over++) {
			_cleanup_(buf_done) struct buf stream = { 0 };
			struct nc_frame frame;
			size_t i, used, size = LIMIT + (size_t)over;
			char head[NC_FRAME_HEAD_MAX];
			int ret = 0;

			assert_int_equal(
				buf_append(&stream, head, nc_frame_head(head, chunked, size)), 0);
			for (i = 0; i < size; i++)
				assert_int_equal(buf_append(&stream, "x", 1), 0);
			assert_int_equal(buf_append_str(&stream, nc_frame_tail(chunked)), 0);
			nc_frame_init(&frame, LIMIT);
			frame.is_chunked = chunked;
			for (i = 0; i < stream.length && ret == 0; i++)
				ret = nc_frame_next(&frame, buf_bytes(&stream) + i, 1, &used, NULL);
			assert_int_equal(ret, over ? -EMSGSIZE : 1);
			if (!over)
				assert_int_equal(frame.message.length, LIMIT);
			nc_frame_done(&frame);
		}
	}
}

/* Many messages in one piece cost what they measure: each call takes no more than its message. */
static void test_pieces(void **state)
{
	static const char message[] = "<rpc/>]]>]]>";
	_cleanup_(buf_done) struct buf stream = { 0 };
	struct nc_frame frame;
	size_t i, used, count = 0;

	for (i = 0; i < 1000; i++)
		assert_int_equal(buf_append_str(&stream, message), 0);
	nc_frame_init(&frame, LIMIT);
	while (stream.length) {
		assert_int_equal(
			nc_frame_next(&frame, buf_bytes(&stream), stream.length, &used, NULL), 1);
		assert_int_equal(used, sizeof(message) - 1);
		assert_true(frame.message.room <= 256);
		buf_clear(&frame.message);
		buf_consume(&stream, used);
		count++;
	}
	assert_int_equal(count, 1000);
	nc_frame_done(&frame);
}

static void test_errors(void **state)
{
	struct nc_frame frame;
	struct err err = { 0 };
	size_t used;

	nc_frame_init(&frame, LIMIT);
	frame.is_chunked = true;
	assert_int_equal(nc_frame_next(&frame, "\n#900\n", 6, &used, &err), -EMSGSIZE);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_TOO_BIG);
	assert_non_null(strstr(err_text(&err), "64"));
	err_done(&err);
	nc_frame_init(&frame, LIMIT);
	frame.is_chunked = true;
	assert_int_equal(nc_frame_next(&frame, "x", 1, &used, &err), -EBADMSG);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_MALFORMED_MESSAGE);
	err_done(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
