/*
 * A large edit in portions, so that parsing it does not hold the loop: the children of each top-level
 * element are gathered until there are enough, wrapped in a copy of its start tag, and parsed as a small
 * document of their own. An element that says what becomes of it as a whole (replace, create, delete) stays
 * in one piece, as do JSON texts and what lies deeper.
 */
#include <errno.h>
#include <string.h>

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
	bool is_over;
};

struct portions *portions_new(const char *text, size_t size, enum format format)
{
	struct portions *portions = XNEW(struct portions);

	portions->text = xstrndup(text, size);
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

int portions_next(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	struct xml *xml = &portions->xml;

	*ret_tree = NULL;
	if (portions->is_over)
		return 0;
	if (portions->format != FORMAT_XML) {
		int r = format_parse_edit(
			portions->text, portions->size, portions->format, NULL, ret_tree, err);

		portions->is_over = true;
		return r < 0 ? r : 1;
	}
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
