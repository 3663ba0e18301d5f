/*
 * Requests, strictly. Whatever two readers could understand differently (line ends, blanks around a
 * colon, folded lines, two lengths, a length beside chunks, a transfer coding we do not know, signs and
 * blanks in numbers) is refused with the connection, because the next request would begin at a place
 * that the peer did not mean (RFC 9112 section 11.2).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http.h"

#define CHUNK_DIGITS_MAX 8
#define CHUNK_EXTRA_MAX	 ((size_t)8192) /* bytes of extensions and trailers in one body */

/* --- characters ------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token(char c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* What a field's value is made of: visible, blank, or beyond ASCII. */
static bool is_value(char c)
{
	return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_text trim(struct http_text text)
{
	while (text.size && is_blank(text.at[0]))
		text.at++, text.size--;
	while (text.size && is_blank(text.at[text.size - 1]))
		text.size--;
	return text;
}

/* Everything before the first @c; *rest is what follows it, absent when there is no @c. */
static struct http_text cut(struct http_text *rest, char c)
{
	const char *at = rest->size ? memchr(rest->at, c, rest->size) : NULL;
	struct http_text head = *rest;

	if (at) {
		head.size = (size_t)(at - rest->at);
		rest->size -= head.size + 1;
		rest->at = at + 1;
	} else {
		*rest = (struct http_text){ 0 };
	}
	return head;
}

bool http_text_is(struct http_text text, const char *literal)
{
	return text.at && text.size == strlen(literal) &&
		strncasecmp(text.at, literal, text.size) == 0;
}

bool http_list_next(struct http_text *rest, struct http_text *ret_element)
{
	while (rest->size) {
		*ret_element = trim(cut(rest, ','));
		if (ret_element->size)
			return true;
	}
	return false;
}

/* --- the head's end --------------------------------------------------------------------------- */

ssize_t http_head_end(const char *text, size_t size, size_t *scanned)
{
	size_t limit = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
	const char *at;

	while (*scanned < limit && (at = memchr(text + *scanned, '\n', limit - *scanned))) {
		size_t end = (size_t)(at - text) + 1;

		if (end < 2 || text[end - 2] != '\r')
			return -EBADMSG;
		*scanned = end;
		if (end >= 4 && text[end - 3] == '\n')
			return (ssize_t)end;
	}
	*scanned = limit;
	return size >= HTTP_HEAD_MAX ? -EMSGSIZE : 0;
}

/* --- the request line ------------------------------------------------------------------------- */

static const char *const method_names[] = {
	[HTTP_OPTIONS] = "OPTIONS",
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
};

const char *http_method_name(enum http_method method)
{
	return method_names[method];
}

static unsigned refuse(unsigned status, const char *reason, const char **ret_reason)
{
	*ret_reason = reason;
	return status;
}

static unsigned read_method(struct http_text text, struct http_head *head, const char **ret_reason)
{
	size_t i;

	if (!text.size)
		return refuse(400, "the request line has no method", ret_reason);
	for (i = 0; i < text.size; i++)
		if (!is_token(text.at[i]))
			return refuse(400, "the method is no token", ret_reason);
	for (i = 0; i < ARRAY_SIZE(method_names); i++) {
		if (text.size == strlen(method_names[i]) &&
			memcmp(text.at, method_names[i], text.size) == 0) {
			head->method = (enum http_method)i;
			return 0;
		}
	}
	return refuse(501, "the method is not known here", ret_reason);
}

static unsigned read_version(struct http_text text, struct http_head *head, const char **ret_reason)
{
	if (text.size != 8 || memcmp(text.at, "HTTP/", 5) != 0 || !is_digit(text.at[5]) ||
		text.at[6] != '.' || !is_digit(text.at[7]))
		return refuse(400, "the request line has no HTTP version", ret_reason);
	if (text.at[5] != '1' || (text.at[7] != '0' && text.at[7] != '1'))
		return refuse(505, "the HTTP version is not 1.0 or 1.1", ret_reason);
	head->minor = (unsigned)(text.at[7] - '0');
	return 0;
}

/* host [":" port], nothing that would need escaping in a header or a reference. */
static bool is_host(struct http_text text)
{
	size_t i;

	for (i = 0; i < text.size; i++)
		if (!is_alpha(text.at[i]) && !is_digit(text.at[i]) &&
			!strchr("-._~:[]%", text.at[i]))
			return false;
	return text.size > 0 && memchr(text.at, '\0', text.size) == NULL;
}

static unsigned read_target(struct http_text text, struct http_head *head, const char **ret_reason)
{
	size_t i;

	if (text.size > HTTP_TARGET_MAX)
		return refuse(414, "the request target is too long", ret_reason);
	for (i = 0; i < text.size; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7f || text.at[i] == '#')
			return refuse(400,
				"the request target has a character that must be encoded",
				ret_reason);
	if (text.size == 1 && text.at[0] == '*' && head->method == HTTP_OPTIONS) {
		head->is_asterisk = true;
		return 0;
	}
	if (text.size > 8 && strncasecmp(text.at, "https://", 8) == 0) {
		size_t size = 8;

		while (size < text.size && text.at[size] != '/' && text.at[size] != '?')
			size++;
		head->host = (struct http_text){ text.at + 8, size - 8 };
		if (!is_host(head->host))
			return refuse(400, "the request target names no host", ret_reason);
		text.at += size;
		text.size -= size;
	}
	if (!text.size || text.at[0] != '/')
		return refuse(400, "the request target is no path", ret_reason);
	head->query = text;
	head->path = cut(&head->query, '?');
	return 0;
}

static unsigned read_request_line(
	struct http_text line, struct http_head *head, const char **ret_reason)
{
	struct http_text method = cut(&line, ' '), target = cut(&line, ' ');
	unsigned status;

	/* The version first: what another one means by the rest is unknown. */
	status = read_version(line, head, ret_reason);
	if (status)
		return status;
	status = read_method(method, head, ret_reason);
	return status ? status : read_target(target, head, ret_reason);
}

/* --- fields ----------------------------------------------------------------------------------- */

/* What is only of use while the head is read. */
struct fields {
	struct http_text host, content_length, transfer_encoding, content_encoding, expect;
	struct http_lines connection;
};

enum field_kind {
	FIELD_ONE, /* may come once */
	FIELD_LIST,
	FIELD_OWN_ONE, /* in struct fields */
	FIELD_OWN_LIST,
};

static const struct {
	const char *name;
	enum field_kind kind;
	size_t offset;
} field_table[] = {
	{ "Accept", FIELD_LIST, offsetof(struct http_head, accept) },
	{ "Authorization", FIELD_ONE, offsetof(struct http_head, authorization) },
	{ "Connection", FIELD_OWN_LIST, offsetof(struct fields, connection) },
	{ "Content-Encoding", FIELD_OWN_ONE, offsetof(struct fields, content_encoding) },
	{ "Content-Length", FIELD_OWN_ONE, offsetof(struct fields, content_length) },
	{ "Content-Type", FIELD_ONE, offsetof(struct http_head, content_type) },
	{ "Expect", FIELD_OWN_ONE, offsetof(struct fields, expect) },
	{ "Host", FIELD_OWN_ONE, offsetof(struct fields, host) },
	{ "If-Match", FIELD_LIST, offsetof(struct http_head, if_match) },
	{ "If-Modified-Since", FIELD_ONE, offsetof(struct http_head, if_modified_since) },
	{ "If-None-Match", FIELD_LIST, offsetof(struct http_head, if_none_match) },
	{ "If-Unmodified-Since", FIELD_ONE, offsetof(struct http_head, if_unmodified_since) },
	{ "Transfer-Encoding", FIELD_OWN_ONE, offsetof(struct fields, transfer_encoding) },
};

/* Keeps a field that is known; others are of no concern here. */
static unsigned keep_field(struct http_text name, struct http_text value, struct http_head *head,
	struct fields *fields, const char **ret_reason)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(field_table); i++) {
		bool is_own = field_table[i].kind >= FIELD_OWN_ONE;
		char *base = is_own ? (char *)fields : (char *)head;
		struct http_text *one = (struct http_text *)(base + field_table[i].offset);
		struct http_lines *lines = (struct http_lines *)(base + field_table[i].offset);

		if (!http_text_is(name, field_table[i].name))
			continue;
		if (field_table[i].kind == FIELD_LIST || field_table[i].kind == FIELD_OWN_LIST) {
			if (lines->count == HTTP_LINES_MAX)
				return refuse(400, "a header field has too many lines", ret_reason);
			lines->line[lines->count++] = value;
			return 0;
		}
		if (one->at)
			return refuse(
				400, "a header field that may come once came twice", ret_reason);
		*one = value;
		return 0;
	}
	return 0;
}

static unsigned read_field(struct http_text line, struct http_head *head, struct fields *fields,
	const char **ret_reason)
{
	struct http_text name, value = line;
	size_t i;

	if (is_blank(line.at[0]))
		return refuse(400, "a header field is folded", ret_reason);
	name = cut(&value, ':');
	if (!value.at || !name.size)
		return refuse(400, "a header line has no name and colon", ret_reason);
	for (i = 0; i < name.size; i++)
		if (!is_token(name.at[i]))
			return refuse(400, "the name of a header field is no token", ret_reason);
	for (i = 0; i < value.size; i++)
		if (!is_value(value.at[i]))
			return refuse(400, "a header field has a control character", ret_reason);
	return keep_field(name, trim(value), head, fields, ret_reason);
}

/* --- what the fields mean --------------------------------------------------------------------- */

static unsigned read_length(
	const struct fields *fields, struct http_head *head, const char **ret_reason)
{
	struct http_text text = fields->content_length;
	size_t i;

	if (fields->transfer_encoding.at) {
		if (text.at)
			return refuse(
				400, "Content-Length and Transfer-Encoding together", ret_reason);
		if (!head->minor)
			return refuse(400, "Transfer-Encoding in HTTP/1.0", ret_reason);
		if (!http_text_is(fields->transfer_encoding, "chunked"))
			return refuse(501, "the transfer coding is not known here", ret_reason);
		head->is_chunked = true;
		return 0;
	}
	if (!text.at)
		return 0;
	if (!text.size)
		return refuse(400, "Content-Length is no number", ret_reason);
	for (i = 0; i < text.size; i++)
		if (!is_digit(text.at[i]))
			return refuse(400, "Content-Length is no number", ret_reason);
	if (text.size > 15)
		return refuse(413, "the body is too long", ret_reason);
	for (i = 0; i < text.size; i++)
		head->content_length = head->content_length * 10 + (uint64_t)(text.at[i] - '0');
	if (head->content_length > HTTP_BODY_MAX)
		return refuse(413, "the body is too long", ret_reason);
	return 0;
}

static void read_connection(const struct fields *fields, struct http_head *head)
{
	struct http_text rest, option;
	bool close = false, keep = false;
	size_t i;

	for (i = 0; i < fields->connection.count; i++) {
		rest = fields->connection.line[i];
		while (http_list_next(&rest, &option)) {
			close |= http_text_is(option, "close");
			keep |= http_text_is(option, "keep-alive");
		}
	}
	head->keeps_alive = !close && (head->minor || keep);
}

static unsigned read_host(
	const struct fields *fields, struct http_head *head, const char **ret_reason)
{
	if (!fields->host.at && head->minor)
		return refuse(400, "HTTP/1.1 needs a Host", ret_reason);
	if (fields->host.at && !is_host(fields->host))
		return refuse(400, "Host names no host", ret_reason);
	if (!head->host.at)
		head->host = fields->host;
	return 0;
}

static unsigned read_meaning(
	const struct fields *fields, struct http_head *head, const char **ret_reason)
{
	unsigned status;

	read_connection(fields, head);
	status = read_host(fields, head, ret_reason);
	if (!status)
		status = read_length(fields, head, ret_reason);
	if (status)
		return status;
	if (fields->expect.at && head->minor) {
		if (!http_text_is(fields->expect, "100-continue"))
			return refuse(417, "nothing but 100-continue can be expected", ret_reason);
		head->expects_continue = true;
	}
	if (fields->content_encoding.at && !http_text_is(fields->content_encoding, "identity"))
		return refuse(415, "the content coding is not known here", ret_reason);
	return 0;
}

unsigned http_head_parse(
	const char *text, size_t size, struct http_head *ret_head, const char **ret_reason)
{
	struct http_text rest = { text, size }, line;
	struct fields fields = { 0 };
	unsigned status, count = 0;

	memset(ret_head, 0, sizeof(*ret_head));
	line = cut(&rest, '\n');
	assert(line.size && rest.at);
	line.size--; /* CR */
	if (memchr(line.at, '\r', line.size))
		return refuse(400, "a carriage return stands alone", ret_reason);
	status = read_request_line(line, ret_head, ret_reason);
	while (!status && rest.size > 2) {
		line = cut(&rest, '\n');
		line.size--;
		if (++count > HTTP_FIELDS_MAX)
			return refuse(431, "there are too many header fields", ret_reason);
		status = read_field(line, ret_head, &fields, ret_reason);
	}
	return status ? status : read_meaning(&fields, ret_head, ret_reason);
}

const char *http_status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "";
}

/* --- chunks ----------------------------------------------------------------------------------- */

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* at the beginning of a line */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER_VALUE,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
};

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int take_size(struct http_chunks *chunks, char c, size_t body)
{
	int value = hex_value(c);

	if (value >= 0) {
		if (++chunks->digits > CHUNK_DIGITS_MAX)
			return -EMSGSIZE;
		chunks->left = chunks->left * 16 + (size_t)value;
		return 0;
	}
	if (!chunks->digits || (c != ';' && c != '\r'))
		return -EBADMSG;
	if (chunks->left > HTTP_BODY_MAX - body)
		return -EMSGSIZE;
	chunks->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
	return 0;
}

static int expect(struct http_chunks *chunks, char c, char wanted, enum chunk_state next)
{
	chunks->state = next;
	return c == wanted ? 0 : -EBADMSG;
}

/* One byte that is not content. */
static int take_byte(struct http_chunks *chunks, char c, size_t body)
{
	switch ((enum chunk_state)chunks->state) {
	case CHUNK_SIZE:
		return take_size(chunks, c, body);
	case CHUNK_EXTENSION:
		if (c == '\r')
			return expect(chunks, c, '\r', CHUNK_SIZE_LF);
		return !is_value(c) ? -EBADMSG : ++chunks->extra > CHUNK_EXTRA_MAX ? -EMSGSIZE : 0;
	case CHUNK_SIZE_LF:
		chunks->digits = 0;
		return expect(chunks, c, '\n', chunks->left ? CHUNK_DATA : CHUNK_TRAILER);
	case CHUNK_DATA_CR:
		return expect(chunks, c, '\r', CHUNK_DATA_LF);
	case CHUNK_DATA_LF:
		return expect(chunks, c, '\n', CHUNK_SIZE);
	case CHUNK_TRAILER:
		if (c == '\r')
			return expect(chunks, c, '\r', CHUNK_END_LF);
		chunks->state = CHUNK_TRAILER_NAME;
		return is_token(c) ? 0 : -EBADMSG;
	case CHUNK_TRAILER_NAME:
		if (c == ':')
			return expect(chunks, c, ':', CHUNK_TRAILER_VALUE);
		return !is_token(c) ? -EBADMSG : ++chunks->extra > CHUNK_EXTRA_MAX ? -EMSGSIZE : 0;
	case CHUNK_TRAILER_VALUE:
		if (c == '\r')
			return expect(chunks, c, '\r', CHUNK_TRAILER_LF);
		return !is_value(c) ? -EBADMSG : ++chunks->extra > CHUNK_EXTRA_MAX ? -EMSGSIZE : 0;
	case CHUNK_TRAILER_LF:
		/* Each line counts, or empty ones would be free. */
		chunks->extra += 4;
		if (chunks->extra > CHUNK_EXTRA_MAX)
			return -EMSGSIZE;
		return expect(chunks, c, '\n', CHUNK_TRAILER);
	case CHUNK_END_LF:
		chunks->is_complete = true;
		return expect(chunks, c, '\n', CHUNK_END_LF);
	case CHUNK_DATA:
		break;
	}
	return -EBADMSG;
}

ssize_t http_chunks_take(
	struct http_chunks *chunks, const char *data, size_t size, struct buf *body)
{
	size_t taken = 0;
	int ret;

	while (taken < size && !chunks->is_complete) {
		if (chunks->state == CHUNK_DATA) {
			size_t part = size - taken < chunks->left ? size - taken : chunks->left;

			if (buf_append(body, data + taken, part) < 0)
				return -EMSGSIZE;
			taken += part;
			chunks->left -= part;
			if (!chunks->left)
				chunks->state = CHUNK_DATA_CR;
			continue;
		}
		ret = take_byte(chunks, data[taken++], body->length);
		if (ret < 0)
			return ret;
	}
	return (ssize_t)taken;
}

/* --- media types ------------------------------------------------------------------------------ */

struct http_text http_media_type(struct http_text value)
{
	struct http_text rest = value;

	return trim(cut(&rest, ';'));
}

/* qvalue of RFC 9110 section 12.4.2 as 0 … 1000; what is none counts as 1. */
static unsigned quality_of(struct http_text text)
{
	unsigned quality, scale = 100;
	size_t i;

	if (!text.size || (text.at[0] != '0' && text.at[0] != '1'))
		return 1000;
	quality = (unsigned)(text.at[0] - '0') * 1000;
	if (text.size > 1 && text.at[1] == '.')
		for (i = 2; i < text.size && i < 5 && is_digit(text.at[i]); i++, scale /= 10)
			quality += (unsigned)(text.at[i] - '0') * scale;
	return quality > 1000 ? 1000 : quality;
}

/* How exactly the range covers the type: 0 (not at all) to 3. */
static unsigned coverage(struct http_text range, const char *media_type)
{
	size_t slash = strcspn(media_type, "/");

	if (http_text_is(range, media_type))
		return 3;
	if (range.size == slash + 2 && range.at[slash] == '/' && range.at[slash + 1] == '*' &&
		strncasecmp(range.at, media_type, slash) == 0)
		return 2;
	return http_text_is(range, "*/*") ? 1 : 0;
}

unsigned http_accept_quality(const struct http_lines *accept, const char *media_type)
{
	unsigned best = 0, quality = 0;
	size_t i;

	if (!accept->count)
		return 1000;
	for (i = 0; i < accept->count; i++) {
		struct http_text rest = accept->line[i], element, parameter;

		while (http_list_next(&rest, &element)) {
			struct http_text range = trim(cut(&element, ';'));
			unsigned covers = coverage(range, media_type), wanted = 1000;

			while (element.size) {
				parameter = trim(cut(&element, ';'));
				if (parameter.size > 2 && (parameter.at[0] | 0x20) == 'q' &&
					parameter.at[1] == '=')
					wanted = quality_of((struct http_text){
						parameter.at + 2, parameter.size - 2 });
			}
			if (covers > best || (covers && covers == best && wanted > quality)) {
				best = covers;
				quality = wanted;
			}
		}
	}
	return quality;
}

/* --- credentials ------------------------------------------------------------------------------ */

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Strict base64 with padding; returns the size, or -EBADMSG. */
static ssize_t decode_base64(struct http_text text, char *out, size_t room)
{
	size_t size = 0, padding = 0, i;
	uint32_t bits = 0;

	if (!text.size || text.size % 4)
		return -EBADMSG;
	while (padding < 2 && text.at[text.size - 1 - padding] == '=')
		padding++;
	for (i = 0; i < text.size; i++) {
		int value = i < text.size - padding ? base64_value(text.at[i]) : 0;

		if (value < 0)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 3)
			continue;
		if (size + 3 > room)
			return -EBADMSG;
		out[size++] = (char)(bits >> 16);
		out[size++] = (char)(bits >> 8);
		out[size++] = (char)bits;
		bits = 0;
	}
	return (ssize_t)(size - padding);
}

static int copy_credential(struct http_text text, char *out, size_t room)
{
	size_t i;

	if (text.size >= room)
		return -EBADMSG;
	for (i = 0; i < text.size; i++)
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
			return -EBADMSG;
	if (text.size)
		memcpy(out, text.at, text.size);
	out[text.size] = '\0';
	return 0;
}

int http_basic(struct http_text authorization, char *user, size_t user_room, char *password,
	size_t password_room)
{
	struct http_text rest = authorization, scheme = cut(&rest, ' ');
	struct http_text name, secret;
	char plain[2048];
	ssize_t size;
	int ret = -EBADMSG;

	if (!http_text_is(scheme, "Basic"))
		return -EBADMSG;
	size = decode_base64(trim(rest), plain, sizeof(plain));
	if (size >= 0) {
		secret = (struct http_text){ plain, (size_t)size };
		name = cut(&secret, ':');
		if (secret.at && name.size)
			ret = copy_credential(name, user, user_room);
		if (ret == 0)
			ret = copy_credential(secret, password, password_room);
	}
	explicit_bzero(plain, sizeof(plain));
	return ret;
}

/* --- validators ------------------------------------------------------------------------------- */

static const char day_names[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };

void http_date(char *text, time_t when)
{
	struct tm tm = { 0 };

	(void)gmtime_r(&when, &tm);
	(void)snprintf(text, HTTP_DATE_MAX, "%s, %02u %s %04u %02u:%02u:%02u GMT",
		day_names[(unsigned)tm.tm_wday % 7], (unsigned)tm.tm_mday % 100,
		month_names[(unsigned)tm.tm_mon % 12], ((unsigned)tm.tm_year + 1900) % 10000,
		(unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

bool http_date_parse(struct http_text text, time_t *ret_when)
{
	/* The locale is C: nothing calls setlocale(). */
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };
	char copy[48];
	size_t i;

	if (!text.at || text.size >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.size);
	copy[text.size] = '\0';
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(copy, forms[i], &tm);

		if (end && !*end) {
			*ret_when = timegm(&tm);
			return true;
		}
	}
	return false;
}

int http_etag_next(struct http_text *rest, struct http_text *ret_tag, bool *ret_is_weak)
{
	const char *at = rest->at, *end = rest->at + rest->size, *close;

	while (at < end && (is_blank(*at) || *at == ','))
		at++;
	if (at == end)
		return 0;
	*ret_is_weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
	if (*ret_is_weak)
		at += 2;
	if (*at != '"')
		return -EBADMSG;
	at++;
	close = memchr(at, '"', (size_t)(end - at));
	if (!close)
		return -EBADMSG;
	*ret_tag = (struct http_text){ at, (size_t)(close - at) };
	rest->at = close + 1;
	rest->size = (size_t)(end - rest->at);
	return 1;
}
