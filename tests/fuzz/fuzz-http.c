/* HTTP: a head and a chunked body, whole and split at the place that the first two bytes name. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t find_end(const char *text, size_t size, size_t split)
{
	size_t scanned = 0;
	ssize_t end = split < size ? http_head_end(text, split, &scanned) : 0;

	return end ? end : http_head_end(text, size, &scanned);
}

static ssize_t take(const char *text, size_t size, size_t split, struct buf *body)
{
	struct http_chunks chunks = { 0 };
	ssize_t taken = split < size ? http_chunks_take(&chunks, text, split, body) : 0, more;

	if (taken < 0 || chunks.is_complete)
		return taken;
	more = http_chunks_take(&chunks, text + taken, size - (size_t)taken, body);
	return more < 0 ? more : taken + more;
}

/* Everything that reads a value of the head. */
static void read_values(const struct http_head *head)
{
	char user[65], password[1025];
	struct http_text tag;
	struct http_lines lines = head->if_match;
	time_t when;
	bool is_weak;

	assert(head->is_asterisk || head->path.at[0] == '/');
	(void)http_accept_quality(&head->accept, "application/yang-data+json");
	(void)http_date_parse(head->if_modified_since, &when);
	(void)http_media_type(head->content_type);
	while (lines.count && http_etag_next(&lines.line[0], &tag, &is_weak) == 1)
		assert(tag.at >= head->if_match.line[0].at);
	if (http_basic(head->authorization, user, sizeof(user), password, sizeof(password)) == 0)
		assert(user[0] && strlen(password) < sizeof(password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 2, *reason = NULL;
	_cleanup_(buf_done) struct buf whole = { .max = HTTP_BODY_MAX },
				       parts = { .max = HTTP_BODY_MAX };
	struct http_head head;
	size_t split;
	ssize_t end;

	if (size < 2)
		return 0;
	split = (size_t)(data[0] << 8 | data[1]);
	size -= 2;
	end = find_end(text, size, SIZE_MAX);
	assert(end == find_end(text, size, split));
	if (end > 0 && http_head_parse(text, (size_t)end, &head, &reason) == 0)
		read_values(&head);
	else if (end > 0)
		assert(reason);
	if (end < 0)
		end = 0;
	assert(take(text + end, size - (size_t)end, SIZE_MAX, &whole) ==
		take(text + end, size - (size_t)end, split, &parts));
	assert(whole.length == parts.length &&
		memcmp(buf_bytes(&whole), buf_bytes(&parts), whole.length) == 0);
	return 0;
}
