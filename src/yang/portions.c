/*
 * A large edit in portions, so that parsing it does not hold the loop: the children of each top-level
 * element are gathered until there are enough, wrapped in a copy of its start tag, and parsed as a small
 * document of their own. A child that is too large itself is opened in the same way if the schema says that
 * this is safe: a container, or an entry whose keys come first (then they are part of the wrapping). An element
 * that says what becomes of it as a whole (replace, create, delete) stays in one piece. JSON is cut in the
 * same way at its top, and within the arrays there; a text with metadata, which stands beside what it is
 * about, stays whole.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/json.h"
#include "ashlar/xml.h"
#include "ashlar/yang.h"

#define PORTION_BYTES (24 * 1024)
#define LEVELS_MAX    8

/* An element that is open while its children are handed out. */
struct level {
	struct xml_text start_tag, name;
	struct xml_text keys;		/* of an entry: the elements, as they stand */
	const struct lysc_node *schema; /* NULL: not known for sure, nothing below is opened */
};

struct portions {
	char *text; /* owned copy */
	size_t size;
	enum format format;
	struct xml xml;
	bool is_split; /* JSON: within a top-level member that is being split */
	struct level levels[LEVELS_MAX];
	size_t depth;	      /* open levels */
	size_t begun;	      /* of those: which the last portion had, too */
	const char *children; /* of the innermost: first one that was not handed out */
	size_t shared;	   /* of the last portion: levels that it had in common with earlier ones */
	size_t last_depth; /* of the last portion: its levels */
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

static void put(struct buf *out, const char *text, size_t size)
{
	(void)!buf_append(out, text, size); /* no ceiling: a part of the text */
}

/* The children gathered so far, in the clothes of what is above them. */
static int hand_out(
	struct portions *portions, const char *end, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	size_t at;

	for (at = 0; at < portions->depth; at++) {
		const struct level *level = &portions->levels[at];

		put(&text, level->start_tag.at, level->start_tag.size);
		put(&text, level->keys.at, level->keys.size);
	}
	put(&text, portions->children, (size_t)(end - portions->children));
	while (at-- > 0) {
		put(&text, "</", 2);
		put(&text, portions->levels[at].name.at, portions->levels[at].name.size);
		put(&text, ">", 1);
	}
	portions->children = end;
	portions->shared = portions->begun;
	portions->begun = portions->last_depth = portions->depth;
	return parse_text(buf_bytes(&text), text.length, ret_tree, err);
}

/* To the end of the element at @depth: 1. Or not, as that is more than @limit bytes away (0: none): 0. */
static int skip_element(struct xml *xml, size_t depth, size_t limit, struct err *err)
{
	const char *begin = xml->at;

	for (;;) {
		int event = xml_next(xml, err);

		if (event < 0)
			return event;
		if (event == XML_END && xml->depth < depth)
			return 1;
		if (limit && (size_t)(xml->at - begin) > limit)
			return 0;
	}
}

/* The scanner stands at @at once more, with @depth elements open. */
static void step_back(struct xml *xml, const char *at, size_t depth)
{
	xml->at = at;
	xml->depth = depth;
	xml->is_empty = false;
}

/* The only data node of that name, whatever its module: the wrong one would be refused in each portion. */
static const struct lysc_node *add_named(const struct lysc_node *found,
	const struct lysc_node *parent, const struct lysc_module *module, struct xml_text name,
	bool *is_ambiguous)
{
	const struct lysc_node *child = NULL;

	while ((child = lys_getnext(child, parent, module, 0))) {
		if (!xml_text_is(name, child->name))
			continue;
		*is_ambiguous |= found != NULL;
		found = child;
	}
	return found;
}

static const struct lysc_node *schema_named(const struct lysc_node *parent, struct xml_text name)
{
	const struct lysc_node *found = NULL;
	const struct lys_module *module;
	bool is_ambiguous = false;
	uint32_t at = 0;

	if (parent)
		found = add_named(NULL, parent, NULL, name, &is_ambiguous);
	while (!parent && (module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		if (module->implemented)
			found = add_named(found, NULL, module->compiled, name, &is_ambiguous);
	}
	return is_ambiguous ? NULL : found;
}

/* Does the start tag say nothing that would have to be said once? */
static bool is_plain(const struct xml *xml)
{
	for (size_t i = 0; i < xml->attribute_count; i++) {
		if (!xml_text_is(xml->attributes[i].prefix, "xmlns") &&
			!xml_text_is(xml->attributes[i].name, "xmlns"))
			return false;
	}
	return !xml->is_empty;
}

/* May parts of it stand for the whole? Of two cases in different portions nobody would tell. */
static bool can_open(const struct lysc_node *schema)
{
	const struct lysc_node *child;

	if (!schema || !(schema->nodetype & (LYS_CONTAINER | LYS_LIST)) ||
		(schema->flags & LYS_KEYLESS))
		return false;
	for (child = lysc_node_child(schema); child; child = child->next) {
		if (child->nodetype == LYS_CHOICE)
			return false;
	}
	return true;
}

/* Reads the keys, which must be the first children: 1, or 0 if they are not. */
static int read_keys(struct xml *xml, struct level *level, struct err *err)
{
	const struct lysc_node *key = lysc_node_child(level->schema);
	const char *begin = xml->at;

	for (; level->schema->nodetype == LYS_LIST && key && lysc_is_key(key); key = key->next) {
		int event = xml_next(xml, err), r;

		while (event == XML_TEXT && xml_text_is_blank(xml->text))
			event = xml_next(xml, err);
		if (event != XML_START)
			return event < 0 ? event : 0;
		if (!xml_text_is(xml->name, key->name))
			return 0;
		r = skip_element(xml, xml->depth, PORTION_BYTES / LEVELS_MAX, err);
		if (r <= 0)
			return r;
	}
	level->keys = (struct xml_text){ begin, (size_t)(xml->at - begin) };
	return 1;
}

/* Opens the child whose start tag ends where the scanner stands, or leaves it behind in one piece. */
static int open_child(struct portions *portions, struct level *level, struct err *err)
{
	struct xml *xml = &portions->xml;
	const char *content = xml->at;
	size_t depth = xml->depth;
	int r = read_keys(xml, level, err);

	if (r == 1) {
		portions->levels[portions->depth++] = *level;
		portions->children = xml->at;
	}
	if (r != 0)
		return r < 0 ? r : 0;
	step_back(xml, content, depth);
	r = skip_element(xml, depth, 0, err);
	return r < 0 ? r : 0;
}

/*
 * The child whose start tag was read: 0 when it is behind us or open, 1 when what is before it has to be handed
 * out first, and the scanner stands at it again.
 */
static int take_child(struct portions *portions, struct err *err)
{
	struct xml *xml = &portions->xml;
	const struct level *above = &portions->levels[portions->depth - 1];
	struct level level = { .start_tag = { xml->token, (size_t)(xml->at - xml->token) },
		.name = xml->open[xml->depth - 1] };
	struct xml_text before = { portions->children, (size_t)(xml->token - portions->children) };
	struct xml_text name = xml->name;
	bool can_be_opened = above->schema && portions->depth < LEVELS_MAX && is_plain(xml);
	const char *content = xml->at;
	size_t depth = xml->depth;
	int r = skip_element(xml, depth, can_be_opened ? PORTION_BYTES : 0, err);

	if (r != 0)
		return r < 0 ? r : 0;
	level.schema = schema_named(above->schema, name);
	if (!can_open(level.schema)) {
		r = skip_element(xml, depth, 0, err);
		return r < 0 ? r : 0;
	}
	if (!xml_text_is_blank(before)) {
		step_back(xml, level.start_tag.at, depth - 1);
		return 1;
	}
	step_back(xml, content, depth);
	return open_child(portions, &level, err);
}

/* The innermost level ends: 1 if something of it has to be handed out. */
static int close_level(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	struct xml *xml = &portions->xml;
	struct xml_text rest = { portions->children, (size_t)(xml->token - portions->children) };
	int r = 0;

	if (portions->begun < portions->depth || !xml_text_is_blank(rest))
		r = hand_out(portions, xml->token, ret_tree, err);
	portions->depth--;
	if (portions->begun > portions->depth)
		portions->begun = portions->depth;
	portions->children = xml->at;
	return r;
}

static int next_child(struct portions *portions, struct lyd_node **ret_tree, struct err *err)
{
	struct xml *xml = &portions->xml;

	while (portions->depth) {
		int event = xml_next(xml, err), r = 0;

		if (event < 0)
			return event;
		if (event == XML_END) {
			r = close_level(portions, ret_tree, err);
			if (r != 0)
				return r;
		}
		if (event != XML_START)
			continue;
		r = take_child(portions, err);
		if (r < 0)
			return r;
		if (r == 1 || xml->at - portions->children >= PORTION_BYTES)
			return hand_out(portions, xml->at, ret_tree, err);
	}
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int malformed(struct err *err)
{
	return err_tagged(
		err, ERR_TAG_MALFORMED_MESSAGE, NULL, "the text is no JSON object, or ends early");
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
		portions->last_depth = 1;
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
	portions->shared = portions->last_depth = 0;
	if (portions->is_over)
		return 0;
	if (portions->format == FORMAT_JSON)
		return !portions->json.at && strstr(portions->text, "\"@")
			? next_whole(portions, ret_tree, err)
			: next_json(portions, ret_tree, err);
	for (;;) {
		int r = next_child(portions, ret_tree, err), event;
		const char *begin;

		if (r != 0)
			return r;
		event = xml_next(xml, err);
		begin = xml->token;
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
			r = skip_element(xml, xml->depth, 0, err);
			return r < 0 ? r
				     : parse_text(begin, (size_t)(xml->at - begin), ret_tree, err);
		}
		portions->levels[portions->depth++] = (struct level){
			.start_tag = { begin, (size_t)(xml->at - begin) },
			.name = xml->open[xml->depth - 1],
			.schema = schema_named(NULL, xml->name),
		};
		portions->children = xml->at;
	}
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

size_t portions_depth(const struct portions *portions, size_t *ret_shared)
{
	*ret_shared = portions->shared;
	return portions->last_depth;
}
