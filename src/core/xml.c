/*
 * XML 1.0 (fifth edition) as far as NETCONF allows it: no document type declaration (RFC 6241 section
 * 3.2), hence no entities but the five predefined ones and character references, and UTF-8 only.
 * Comments and processing instructions are checked and skipped.
 *
 * Characters are checked once over the whole message before the scan, so that the scanner only looks
 * for markup. The scan is one pass: the cost of a large <config> here is that of finding its tags.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "ashlar/xml.h"

enum {
	CHAR_SPACE = 1,
	CHAR_NAME_START = 2,
	CHAR_NAME = 4,
};

static const unsigned char classes[128] = {
	['\t'] = CHAR_SPACE,
	['\n'] = CHAR_SPACE,
	['\r'] = CHAR_SPACE,
	[' '] = CHAR_SPACE,
	['_'] = CHAR_NAME_START | CHAR_NAME,
	['A' ... 'Z'] = CHAR_NAME_START | CHAR_NAME,
	['a' ... 'z'] = CHAR_NAME_START | CHAR_NAME,
	['-'] = CHAR_NAME,
	['.'] = CHAR_NAME,
	['0' ... '9'] = CHAR_NAME,
};

/* NameStartChar above ASCII, and what NameChar adds to it. */
static const struct {
	uint32_t first, last;
	unsigned char class;
} ranges[] = {
	{ 0xb7, 0xb7, CHAR_NAME },
	{ 0xc0, 0xd6, CHAR_NAME_START | CHAR_NAME },
	{ 0xd8, 0xf6, CHAR_NAME_START | CHAR_NAME },
	{ 0xf8, 0x2ff, CHAR_NAME_START | CHAR_NAME },
	{ 0x300, 0x36f, CHAR_NAME },
	{ 0x370, 0x37d, CHAR_NAME_START | CHAR_NAME },
	{ 0x37f, 0x1fff, CHAR_NAME_START | CHAR_NAME },
	{ 0x200c, 0x200d, CHAR_NAME_START | CHAR_NAME },
	{ 0x203f, 0x2040, CHAR_NAME },
	{ 0x2070, 0x218f, CHAR_NAME_START | CHAR_NAME },
	{ 0x2c00, 0x2fef, CHAR_NAME_START | CHAR_NAME },
	{ 0x3001, 0xd7ff, CHAR_NAME_START | CHAR_NAME },
	{ 0xf900, 0xfdcf, CHAR_NAME_START | CHAR_NAME },
	{ 0xfdf0, 0xfffd, CHAR_NAME_START | CHAR_NAME },
	{ 0x10000, 0xeffff, CHAR_NAME_START | CHAR_NAME },
};

static const struct {
	const char *name;
	char value;
} entities[] = {
	{ "lt", '<' },
	{ "gt", '>' },
	{ "amp", '&' },
	{ "quot", '"' },
	{ "apos", '\'' },
};

/* --- characters ------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at @at, and its code point; 0 if there is no valid one. */
static size_t utf8_decode(const char *at, const char *end, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = (unsigned char)*at;
	size_t size, i;
	uint32_t code;

	if (lead < 0x80) {
		*ret_code = lead;
		return 1;
	}
	size = lead >= 0xf0 && lead < 0xf8 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : 2;
	if (lead < 0xc0 || lead >= 0xf8 || (size_t)(end - at) < size)
		return 0;
	code = lead & (0x7fU >> size);
	for (i = 1; i < size; i++) {
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)at[i] & 0x3f);
	}
	if (code < least[size])
		return 0;
	*ret_code = code;
	return size;
}

/* Char of XML 1.0. */
static bool is_char(uint32_t code)
{
	return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code <= 0xd7ff) ||
		(code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

/* Eight bytes at once: is each of them in 0x20 to 0x7f? */
static bool is_plain_word(const char *at)
{
	const uint64_t high = 0x8080808080808080, low = 0x2020202020202020;
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return !(word & high) && (((word | high) - low) & high) == high;
}

bool xml_is_text(const char *data, size_t size)
{
	const char *at = data, *end = data + size;

	while (at < end) {
		uint32_t code;
		size_t length;

		if (end - at >= 8 && is_plain_word(at)) {
			at += 8;
			continue;
		}
		length = utf8_decode(at, end, &code);
		if (!length || !is_char(code))
			return false;
		at += length;
	}
	return true;
}

static bool is_space(char c)
{
	return (unsigned char)c < 0x80 && classes[(unsigned char)c] & CHAR_SPACE;
}

/* Length of the name character of that class at @at; 0: none. */
static size_t name_char(const char *at, const char *end, unsigned char class)
{
	uint32_t code;
	size_t length, i;

	if (at == end)
		return 0;
	if ((unsigned char)*at < 0x80)
		return classes[(unsigned char)*at] & class ? 1 : 0;
	length = utf8_decode(at, end, &code);
	for (i = 0; length && i < ARRAY_SIZE(ranges); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return ranges[i].class & class ? length : 0;
	return 0;
}

/* --- texts ------------------------------------------------------------------------------------ */

bool xml_text_is(struct xml_text text, const char *literal)
{
	return strlen(literal) == text.size && memcmp(text.at, literal, text.size) == 0;
}

bool xml_text_equal(struct xml_text a, struct xml_text b)
{
	return a.size == b.size && (!a.size || memcmp(a.at, b.at, a.size) == 0);
}

bool xml_text_is_blank(struct xml_text text)
{
	size_t i;

	for (i = 0; i < text.size; i++)
		if (!is_space(text.at[i]))
			return false;
	return true;
}

char *xml_text_dup(struct xml_text text)
{
	return text.size ? xstrndup(text.at, text.size) : xstrdup("");
}

/* The code of a character reference "#38" or "#x26"; 0 if it is none that XML allows. */
static uint32_t reference_code(struct xml_text name)
{
	bool is_hex = name.size > 1 && name.at[1] == 'x';
	size_t i = is_hex ? 2 : 1;
	uint32_t code = 0;

	if (i >= name.size)
		return 0;
	for (; i < name.size; i++) {
		char c = name.at[i], lower = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			code = code * (is_hex ? 16 : 10) + (uint32_t)(c - '0');
		else if (is_hex && lower >= 'a' && lower <= 'f')
			code = code * 16 + (uint32_t)(lower - 'a' + 10);
		else
			return 0;
		if (code > 0x10ffff)
			return 0;
	}
	return is_char(code) ? code : 0;
}

/* Resolves the reference at @at ("&…;"): its code and the byte behind it; NULL if it is none. */
static const char *resolve(const char *at, const char *end, uint32_t *ret_code)
{
	const char *semicolon = memchr(at, ';', (size_t)(end - at));
	struct xml_text name;
	size_t i;

	if (!semicolon)
		return NULL;
	name = (struct xml_text){ at + 1, (size_t)(semicolon - at - 1) };
	if (name.size && name.at[0] == '#') {
		*ret_code = reference_code(name);
		return *ret_code ? semicolon + 1 : NULL;
	}
	for (i = 0; i < ARRAY_SIZE(entities); i++) {
		if (xml_text_is(name, entities[i].name)) {
			*ret_code = (unsigned char)entities[i].value;
			return semicolon + 1;
		}
	}
	return NULL;
}

static char *utf8_encode(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

char *xml_text_decode(struct xml_text raw, bool is_attribute)
{
	/* A reference is never shorter than what it stands for. */
	char *decoded = xmalloc(raw.size + 1), *to = decoded;
	const char *at = raw.at, *end = raw.at + raw.size;

	while (at < end) {
		uint32_t code;
		const char *next;

		if (*at == '&' && (next = resolve(at, end, &code))) {
			to = utf8_encode(to, code);
			at = next;
			continue;
		}
		/* Ends of lines come as one line feed (XML section 2.11). */
		if (*at == '\r') {
			if (at + 1 < end && at[1] == '\n')
				at++;
			*to++ = is_attribute ? ' ' : '\n';
		} else {
			*to++ = is_attribute && is_space(*at) ? ' ' : *at;
		}
		at++;
	}
	*to = '\0';
	return decoded;
}

/* --- the scan --------------------------------------------------------------------------------- */

static int malformed(const struct xml *xml, struct err *err, const char *what)
{
	err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "%s at byte %zu of the message", what,
		(size_t)(xml->at - xml->begin));
	if (err)
		err->type = ERR_TYPE_RPC;
	return -EBADMSG;
}

static bool starts(const struct xml *xml, const char *literal)
{
	size_t size = strlen(literal);

	return (size_t)(xml->end - xml->at) >= size && memcmp(xml->at, literal, size) == 0;
}

static void skip_space(struct xml *xml)
{
	while (xml->at < xml->end && is_space(*xml->at))
		xml->at++;
}

/* One name without colon. */
static bool scan_ncname(struct xml *xml, struct xml_text *ret_name)
{
	const char *from = xml->at;
	size_t length = name_char(xml->at, xml->end, CHAR_NAME_START);

	if (!length)
		return false;
	while (length) {
		xml->at += length;
		length = name_char(xml->at, xml->end, CHAR_NAME);
	}
	*ret_name = (struct xml_text){ from, (size_t)(xml->at - from) };
	return true;
}

static bool scan_name(struct xml *xml, struct xml_text *ret_prefix, struct xml_text *ret_name)
{
	*ret_prefix = (struct xml_text){ xml->at, 0 };
	if (!scan_ncname(xml, ret_name))
		return false;
	if (xml->at < xml->end && *xml->at == ':') {
		*ret_prefix = *ret_name;
		xml->at++;
		return scan_ncname(xml, ret_name);
	}
	return true;
}

/* Are all references in the text ones that can be resolved? */
static bool references_ok(const char *at, const char *end)
{
	while ((at = memchr(at, '&', (size_t)(end - at)))) {
		uint32_t code;

		at = resolve(at, end, &code);
		if (!at)
			return false;
	}
	return true;
}

static bool scan_value(struct xml *xml, struct xml_text *ret_value)
{
	const char *from, *to;
	char quote;

	if (xml->at == xml->end || (*xml->at != '"' && *xml->at != '\''))
		return false;
	quote = *xml->at++;
	from = xml->at;
	to = memchr(from, quote, (size_t)(xml->end - from));
	if (!to || memchr(from, '<', (size_t)(to - from)) || !references_ok(from, to))
		return false;
	*ret_value = (struct xml_text){ from, (size_t)(to - from) };
	xml->at = to + 1;
	return true;
}

/* [name = "value"] at xml->at. */
static bool scan_attribute(struct xml *xml, struct xml_attribute *attribute)
{
	const char *from = xml->at;

	if (!scan_name(xml, &attribute->prefix, &attribute->name))
		return false;
	skip_space(xml);
	if (xml->at == xml->end || *xml->at != '=')
		return false;
	xml->at++;
	skip_space(xml);
	if (!scan_value(xml, &attribute->value))
		return false;
	attribute->raw = (struct xml_text){ from, (size_t)(xml->at - from) };
	return true;
}

static bool is_repeated(const struct xml *xml, const struct xml_attribute *attribute)
{
	size_t i;

	for (i = 0; i < xml->attribute_count; i++)
		if (xml_text_equal(xml->attributes[i].name, attribute->name) &&
			xml_text_equal(xml->attributes[i].prefix, attribute->prefix))
			return true;
	return false;
}

/* The attributes up to ">", "/>" or "?>". */
static int scan_attributes(struct xml *xml, struct err *err)
{
	xml->attribute_count = 0;
	for (;;) {
		const char *before = xml->at;

		skip_space(xml);
		if (xml->at == xml->end)
			return malformed(xml, err, "unfinished tag");
		if (*xml->at == '>' || *xml->at == '/' || *xml->at == '?')
			return 0;
		if (before == xml->at)
			return malformed(xml, err, "no space before an attribute");
		if (xml->attribute_count == XML_ATTRIBUTES_MAX)
			return malformed(xml, err, "too many attributes");
		if (!scan_attribute(xml, &xml->attributes[xml->attribute_count]))
			return malformed(xml, err, "not an attribute");
		if (is_repeated(xml, &xml->attributes[xml->attribute_count]))
			return malformed(xml, err, "repeated attribute");
		xml->attribute_count++;
	}
}

static int scan_start(struct xml *xml, struct err *err)
{
	const char *name = ++xml->at;
	int ret;

	if (!xml->depth && xml->has_root && !xml->is_fragment)
		return malformed(xml, err, "second root element");
	if (!scan_name(xml, &xml->prefix, &xml->name))
		return malformed(xml, err, "not an element name");
	if (xml->depth == XML_DEPTH_MAX)
		return malformed(xml, err, "nested too deeply");
	xml->open[xml->depth] = (struct xml_text){ name, (size_t)(xml->at - name) };
	ret = scan_attributes(xml, err);
	if (ret < 0)
		return ret;
	xml->is_empty = *xml->at == '/';
	xml->at += xml->is_empty;
	if (xml->at == xml->end || *xml->at != '>')
		return malformed(xml, err, "unfinished tag");
	xml->at++;
	xml->depth++;
	xml->has_root = true;
	return XML_START;
}

static int scan_end(struct xml *xml, struct err *err)
{
	struct xml_text name;

	xml->at += 2;
	name = (struct xml_text){ xml->at, 0 };
	if (!scan_name(xml, &xml->prefix, &xml->name))
		return malformed(xml, err, "not an element name");
	name.size = (size_t)(xml->at - name.at);
	skip_space(xml);
	if (xml->at == xml->end || *xml->at != '>')
		return malformed(xml, err, "unfinished tag");
	if (!xml->depth || !xml_text_equal(xml->open[xml->depth - 1], name))
		return malformed(xml, err, "end tag without its start tag");
	xml->at++;
	xml->depth--;
	return XML_END;
}

static int scan_text(struct xml *xml, struct err *err)
{
	const char *from = xml->at;
	const char *to = memchr(from, '<', (size_t)(xml->end - from));

	if (!to)
		to = xml->end;
	xml->text = (struct xml_text){ from, (size_t)(to - from) };
	xml->is_cdata = false;
	if (!xml->depth && !xml->is_fragment && !xml_text_is_blank(xml->text))
		return malformed(xml, err, "text outside the root element");
	if (!references_ok(from, to))
		return malformed(xml, err, "unknown entity or character reference");
	if (xml->text.size > 2 && memmem(from, xml->text.size, "]]>", 3))
		return malformed(xml, err, "\"]]>\" in text");
	xml->at = to;
	return XML_TEXT;
}

static int scan_cdata(struct xml *xml, struct err *err)
{
	const char *from = xml->at + 9; /* <![CDATA[ */
	const char *to = memmem(from, (size_t)(xml->end - from), "]]>", 3);

	if (!to)
		return malformed(xml, err, "unfinished CDATA section");
	if (!xml->depth && !xml->is_fragment)
		return malformed(xml, err, "text outside the root element");
	xml->text = (struct xml_text){ from, (size_t)(to - from) };
	xml->is_cdata = true;
	xml->at = to + 3;
	return XML_TEXT;
}

static int skip_comment(struct xml *xml, struct err *err)
{
	const char *from = xml->at + 4; /* <!-- */
	const char *to = memmem(from, (size_t)(xml->end - from), "--", 2);

	if (!to || xml->end - to < 3 || to[2] != '>')
		return malformed(xml, err, "not a comment");
	xml->at = to + 3;
	return 0;
}

static int skip_instruction(struct xml *xml, struct err *err)
{
	struct xml_text target;
	const char *to;

	xml->at += 2;
	if (!scan_ncname(xml, &target) ||
		(target.size == 3 && strncasecmp(target.at, "xml", 3) == 0))
		return malformed(xml, err, "not a processing instruction");
	to = memmem(xml->at, (size_t)(xml->end - xml->at), "?>", 2);
	if (!to || (to != xml->at && !is_space(*xml->at)))
		return malformed(xml, err, "not a processing instruction");
	xml->at = to + 2;
	return 0;
}

static bool is_version(struct xml_text value)
{
	return value.size == 3 && memcmp(value.at, "1.", 2) == 0 && value.at[2] >= '0' &&
		value.at[2] <= '9';
}

static bool is_encoding(struct xml_text value)
{
	return (value.size == 5 && strncasecmp(value.at, "UTF-8", 5) == 0) ||
		(value.size == 8 && strncasecmp(value.at, "US-ASCII", 8) == 0);
}

/* <?xml version="1.0" encoding="UTF-8" standalone="yes"?> at the very beginning. */
static int skip_declaration(struct xml *xml, struct err *err)
{
	size_t i = 1;
	int ret;

	xml->at += 5; /* <?xml */
	ret = scan_attributes(xml, err);
	if (ret < 0)
		return ret;
	if (!starts(xml, "?>") || !xml->attribute_count ||
		!xml_text_is(xml->attributes[0].name, "version") ||
		!is_version(xml->attributes[0].value))
		return malformed(xml, err, "not an XML declaration");
	if (i < xml->attribute_count && xml_text_is(xml->attributes[i].name, "encoding")) {
		if (!is_encoding(xml->attributes[i].value))
			return malformed(xml, err, "encoding is not UTF-8");
		i++;
	}
	if (i < xml->attribute_count && xml_text_is(xml->attributes[i].name, "standalone"))
		i++;
	if (i != xml->attribute_count)
		return malformed(xml, err, "not an XML declaration");
	xml->at += 2;
	return 0;
}

void xml_init(struct xml *xml, const char *data, size_t size)
{
	/* Not the arrays: they are large, and their counts say what of them is valid. */
	memset(xml, 0, offsetof(struct xml, attributes));
	xml->begin = xml->at = xml->token = data;
	xml->end = data + size;
	xml->prefix = xml->name = xml->text = (struct xml_text){ data, 0 };
}

void xml_init_fragment(struct xml *xml, const char *data, size_t size)
{
	xml_init(xml, data, size);
	xml->is_fragment = true;
}

/* Markup at "<": an event, or 0 … for what was skipped (then *ret_skipped). */
static int scan_markup(struct xml *xml, bool *ret_skipped, struct err *err)
{
	*ret_skipped = false;
	if (starts(xml, "</"))
		return scan_end(xml, err);
	if (starts(xml, "<![CDATA["))
		return scan_cdata(xml, err);
	if (starts(xml, "<?")) {
		*ret_skipped = xml->has_comments = true;
		return skip_instruction(xml, err);
	}
	if (starts(xml, "<!--")) {
		*ret_skipped = xml->has_comments = true;
		return skip_comment(xml, err);
	}
	if (starts(xml, "<!"))
		return malformed(xml, err, "document type declarations are not allowed");
	return scan_start(xml, err);
}

static int scan_prolog(struct xml *xml, struct err *err)
{
	if (starts(xml, "\xef\xbb\xbf"))
		xml->at += 3;
	if (starts(xml, "<?xml") && xml->end - xml->at > 5 && is_space(xml->at[5]))
		return skip_declaration(xml, err);
	return 0;
}

int xml_next(struct xml *xml, struct err *err)
{
	bool is_skipped = true;
	int ret = 0;

	if (xml->is_empty) {
		xml->is_empty = false;
		xml->depth--;
		xml->token = xml->at;
		return XML_END;
	}
	if (xml->at == xml->begin && !xml->is_fragment) {
		ret = scan_prolog(xml, err);
		if (ret < 0)
			return ret;
	}
	while (is_skipped) {
		xml->token = xml->at;
		if (xml->at == xml->end) {
			if (xml->depth || (!xml->has_root && !xml->is_fragment))
				return malformed(xml, err, "unfinished document");
			return XML_DONE;
		}
		if (*xml->at != '<')
			return scan_text(xml, err);
		ret = scan_markup(xml, &is_skipped, err);
		if (ret < 0)
			return ret;
	}
	return ret;
}
