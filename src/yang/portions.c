/*
 * A large edit in portions, so that parsing it does not hold the loop: the children of each top-level
 * element are gathered until there are enough, wrapped in a copy of its start tag, and parsed as a small
 * document of their own. An element that says what becomes of it as a whole (replace, create, delete) stays
 * in one piece, as does what lies deeper. JSON is cut in the same way, and within the arrays there; a text
 * with metadata, which stands beside what it is about, stays whole.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/json.h"
#include "ashlar/xml.h"
#include "ashlar/yang.h"

#define PORTION_BYTES (24 * 1024)

struct portions {
	char *text; /* owned copy */
	size_t size;
	enum format format;
	struct xml xml;
	bool is_split; /* the scanner stands within a top-level element that is being split */
	struct xml_text start_tag, name; /* of that element */
	const char *children;		 /* first child that was not handed out */
	struct {
		const char *at;
		struct xml_text top, list; /* names with quotes; list: the array that is open */
		bool is_first[3];	   /* in the object, in the member, in the array */
	} json;
	const struct lysc_node **tops; /* of the top-level elements that came */
	size_t top_count, top_room;
	bool is_entered; /* the next portion is the first of its top-level element */
	bool is_over;
};

struct portions *portions_new(const char *text, size_t size, enum format format)
{
	struct portions *portions = XNEW(struct portions);

	portions->text = xmalloc(size + 1);
	memcpy(portions->text, text, size);
	portions->text[size] = '\0';
	portions->size = size;
	portions->format = format;
	if (format == FORMAT_XML)
		xml_init_fragment(&portions->xml, portions->text, size);
	return portions;
}

void portions_free(struct portions *portions)
{
	if (!portions)
		return;
	free(portions->tops);
	free(portions->text);
	free(portions);
}

/* An operation on the element itself concerns all of its content at once. */
static bool is_whole(const struct xml *xml)
{
	for (size_t i = 0; i < xml->attribute_count; i++) {
		if (xml_text_is(xml->attributes[i].name, "operation") &&
			!xml_text_is(xml->attributes[i].value, "merge"))
			return true;
	}
	return xml->is_empty;
}

static int parse_text(const char *text, size_t size, struct lyd_node **ret_tree, struct err *err)
{
	int r = format_parse_edit(text, size, FORMAT_XML, NULL, ret_tree, err);

	return r < 0 ? r : 1;
}

/* The children gathered so far, in their parent's clothes. */
static int hand_out(
	struct portions *portions, const char *end, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *text = xasprintf("%.*s%.*s</%.*s>", (int)portions->start_tag.size,
		portions->start_tag.at, (int)(end - portions->children), portions->children,
		(int)portions->name.size, portions->name.at);

	portions->children = end;
	return parse_text(text, strlen(text), ret_tree, err);
}

static int skip_element(struct xml *xml, struct err *err)
{
	size_t depth = xml->depth;

	for (;;) {
		int event = xml_next(xml, err);

		if (event < 0)
			return event;
		if (event == XML_END && xml->depth < depth)
			return 0;
	}
}

static int next_child(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	struct xml *xml = &portions->xml;

	for (;;) {
		int event = xml_next(xml, err), r;

		if (event < 0)
			return event;
		if (event == XML_END) {
			portions->is_split = false;
			return hand_out(portions, xml->token, ret_tree, err);
		}
		if (event != XML_START)
			continue;
		r = skip_element(xml, err);
		if (r < 0)
			return r;
		if (xml->at - portions->children >= PORTION_BYTES)
			return hand_out(portions, xml->at, ret_tree, err);
	}
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int malformed(struct err *err)
{
	return err_tagged(
		err, ERR_TAG_MALFORMED_MESSAGE, NULL, "the text is no JSON object, or ends early");
}

static void put(struct buf *out, const char *text, size_t size)
{
	(void)!buf_append(out, text, size); /* no ceiling: a part of the text */
}

/* Another member or item? 0: @close was there, and is behind us. */
static int json_more(const char **at, bool *is_first, char close)
{
	*at = json_blanks(*at);
	if (**at == close) {
		(*at)++;
		return 0;
	}
	if (!*is_first && **at != ',')
		return -EBADMSG;
	if (!*is_first)
		*at = json_blanks(*at + 1);
	*is_first = false;
	return 1;
}

/* A member's name; *at is then at its value. */
static int json_name(const char **at, struct xml_text *ret_name)
{
	const char *end = **at == '"' ? json_string_end(*at) : NULL;

	if (!end)
		return -EBADMSG;
	*ret_name = (struct xml_text){ *at, (size_t)(end - *at) };
	*at = json_blanks(end);
	if (**at != ':')
		return -EBADMSG;
	*at = json_blanks(*at + 1);
	return 0;
}

/* A value as it stands. */
static int json_copy(struct buf *out, const char **at)
{
	const char *end = json_value(*at);

	if (!end)
		return -EBADMSG;
	put(out, *at, (size_t)(end - *at));
	*at = end;
	return 0;
}

/* Items of the open array, as many as fit: "name":[…]. */
static int gather_items(struct portions *portions, struct buf *out, bool *has_members)
{
	const char *separator = *has_members ? "," : "";
	bool has_items = false;
	int r = 0;

	while (r == 0 && out->length < PORTION_BYTES) {
		r = json_more(&portions->json.at, &portions->json.is_first[2], ']');
		if (r == 0)
			portions->json.list.size = 0;
		if (r <= 0)
			break;
		put(out, separator, strlen(separator));
		if (!has_items) {
			put(out, portions->json.list.at, portions->json.list.size);
			put(out, ":[", 2);
		}
		has_items = *has_members = true;
		separator = ",";
		r = json_copy(out, &portions->json.at);
	}
	if (has_items)
		put(out, "]", 1);
	return r;
}

/* Members of the top-level member that is being split. */
static int gather_members(struct portions *portions, struct buf *out)
{
	const char **at = &portions->json.at;
	bool has_members = false;
	int r = 0;

	while (r == 0 && out->length < PORTION_BYTES) {
		struct xml_text name;

		if (portions->json.list.size) {
			r = gather_items(portions, out, &has_members);
			continue;
		}
		r = json_more(at, &portions->json.is_first[1], '}');
		if (r == 0)
			portions->is_split = false;
		if (r <= 0)
			break;
		r = json_name(at, &name);
		if (r == 0 && **at == '[') {
			(*at)++;
			portions->json.list = name;
			portions->json.is_first[2] = true;
		} else if (r == 0) {
			put(out, ",", has_members);
			put(out, name.at, name.size);
			put(out, ":", 1);
			has_members = true;
			r = json_copy(out, at);
		}
	}
	return r;
}

/* Enters the next top-level member: 0 at the end of the text. */
static int enter_member(struct portions *portions)
{
	const char **at = &portions->json.at;
	int r;

	if (!*at) {
		*at = json_blanks(portions->text);
		if (**at != '{')
			return -EBADMSG;
		(*at)++;
		portions->json.is_first[0] = true;
	}
	r = json_more(at, &portions->json.is_first[0], '}');
	if (r == 0 && *json_blanks(*at))
		return -EBADMSG;
	if (r <= 0)
		return r;
	r = json_name(at, &portions->json.top);
	portions->is_entered = true;
	return r < 0 ? r : 1;
}

static int next_json(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_(buf_done) struct buf out = { 0 };
	int r = portions->is_split ? 1 : enter_member(portions);

	if (r == 0)
		portions->is_over = true;
	if (r <= 0)
		return r < 0 ? malformed(err) : 0;
	put(&out, "{", 1);
	put(&out, portions->json.top.at, portions->json.top.size);
	put(&out, ":", 1);
	if (!portions->is_split && *portions->json.at == '{') {
		portions->json.at++;
		portions->json.is_first[1] = true;
		portions->is_split = true;
	}
	if (portions->is_split) {
		put(&out, "{", 1);
		r = gather_members(portions, &out);
		put(&out, "}", 1);
	} else {
		r = json_copy(&out, &portions->json.at);
	}
	put(&out, "}", 1);
	if (r < 0)
		return malformed(err);
	r = format_parse_edit(buf_bytes(&out), out.length, FORMAT_JSON, NULL, ret_tree, err);
	return r < 0 ? r : 1;
}

static int next_whole(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	int r = format_parse_edit(
		portions->text, portions->size, portions->format, NULL, ret_tree, err);

	portions->is_over = true;
	return r < 0 ? r : 1;
}

/* ---------------------------------------------------------------------------------------------- */

static int next(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	struct xml *xml = &portions->xml;

	*ret_tree = NULL;
	if (portions->is_over)
		return 0;
	if (portions->format == FORMAT_JSON)
		return !portions->json.at && strstr(portions->text, "\"@")
			? next_whole(portions, ret_tree, err)
			: next_json(portions, ret_tree, err);
	while (!portions->is_split) {
		int event = xml_next(xml, err), r;
		const char *begin = xml->token;

		if (event < 0)
			return event;
		if (event == XML_DONE) {
			portions->is_over = true;
			return 0;
		}
		if (event == XML_TEXT && !xml_text_is_blank(xml->text))
			return err_tagged(
				err, ERR_TAG_MALFORMED_MESSAGE, NULL, "text beside the elements");
		if (event != XML_START)
			continue;
		portions->is_entered = true;
		if (is_whole(xml)) {
			r = skip_element(xml, err);
			return r < 0 ? r
				     : parse_text(begin, (size_t)(xml->at - begin), ret_tree, err);
		}
		portions->is_split = true;
		portions->start_tag = (struct xml_text){ begin, (size_t)(xml->at - begin) };
		portions->name = xml->open[xml->depth - 1];
		portions->children = xml->at;
	}
	return next_child(portions, ret_tree, err);
}

/* Is the top-level node one that came before, as another element? */
static int check_top(struct portions *portions, const struct lysc_node *top, struct err *err)
{
	portions->is_entered = false;
	if (top->nodetype & (LYS_LIST | LYS_LEAFLIST))
		return 0;
	for (size_t i = 0; i < portions->top_count; i++) {
		_cleanup_free_ char *path = NULL;

		if (portions->tops[i] != top)
			continue;
		path = xasprintf("/%s:%s", top->module->name, top->name);
		err_tagged(err, ERR_TAG_BAD_ELEMENT, path, "%s is given twice", top->name);
		return err_add_info(err, "bad-element", top->name);
	}
	ARRAY_GROW(portions->tops, portions->top_count, portions->top_room);
	portions->tops[portions->top_count++] = top;
	return 0;
}

int portions_next(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	int r = next(portions, ret_tree, err);

	if (r == 1 && portions->is_entered && *ret_tree && (*ret_tree)->schema &&
		check_top(portions, (*ret_tree)->schema, err) < 0) {
		lyd_free_all(TAKE(*ret_tree));
		return -EINVAL;
	}
	return r;
}
