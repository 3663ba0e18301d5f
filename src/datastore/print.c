/*
 * The printer. A level is a node that has begun; it is open once its start is in the text. Opening a
 * level opens those around it first and prints a list entry's keys.
 *
 * JSON: instances of a list or leaf-list that follow one another make one array, which stays open until
 * something else comes. Annotations of leaf-list items are gathered and follow their array (RFC 7952
 * section 5.2.3).
 */
#include <assert.h>
#include <string.h>

#include <libyang/plugins_types.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "print.h"

#define DEFAULTS_MODULE "ietf-netconf-with-defaults"
#define DEFAULTS_NS	"urn:ietf:params:xml:ns:netconf:default:1.0"
#define ORIGIN_MODULE	"ietf-origin"
#define ORIGIN_NS	"urn:ietf:params:xml:ns:yang:ietf-origin"

struct print_level {
	const struct lyd_node *node; /* NULL: top level */
	const char *origin;	     /* to be said of it; NULL: nothing */
	bool is_open;
	bool has_content;
	bool holds_rows; /* entries without keys, which are asked for, and no level around it does */
	size_t start;	 /* of its content, if so */
	const struct lysc_node *array; /* JSON: whose array is open */
	struct buf notes;	       /* JSON: annotations of the items of a leaf-list's array */
	size_t item_count;	       /* of it */
	size_t note_count;	       /* items that notes tells about */
	bool has_notes;
};

void print_init(
	struct print *print, struct buf *out, enum format format, enum with_defaults defaults)
{
	*print = (struct print){
		.out = out,
		.format = format,
		.defaults = defaults,
		.room = 16,
	};
	print->levels = xcalloc(print->room, sizeof(*print->levels));
	print->levels[0].is_open = true;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put(struct print *print, const char *text, size_t size)
{
	(void)!buf_append(print->out, text, size); /* has no ceiling */
}

static void put_str(struct print *print, const char *text)
{
	put(print, text, strlen(text));
}

static void put_xml(struct print *print, const char *text, bool is_attribute)
{
	static const char special[256] = { ['&'] = 1,
		['<'] = 1,
		['>'] = 1,
		['"'] = 2,
		['\r'] = 1,
		['\n'] = 2,
		['\t'] = 2,
		['\0'] = 3 };

	for (;;) {
		const char *from = text;

		while (!special[(unsigned char)*text] ||
			(special[(unsigned char)*text] == 2 && !is_attribute))
			text++;
		put(print, from, (size_t)(text - from));
		switch (*text++) {
		case '\0':
			return;
		case '&':
			put_str(print, "&amp;");
			break;
		case '<':
			put_str(print, "&lt;");
			break;
		case '>':
			put_str(print, "&gt;");
			break;
		case '"':
			put_str(print, "&quot;");
			break;
		case '\r':
			put_str(print, "&#xD;");
			break;
		case '\n':
			put_str(print, "&#xA;");
			break;
		case '\t':
			put_str(print, "&#x9;");
			break;
		}
	}
}

static void put_json(struct print *print, const char *text)
{
	put(print, "\"", 1);
	for (;;) {
		const char *from = text;
		unsigned char c;

		while ((unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
			text++;
		put(print, from, (size_t)(text - from));
		c = (unsigned char)*text++;
		if (!c)
			break;
		if (c >= 0x20)
			(void)!buf_printf(print->out, "\\%c", c);
		else
			(void)!buf_printf(print->out, "\\u%04X", c);
	}
	put(print, "\"", 1);
}

/* --- values ----------------------------------------------------------------------------------- */

static const struct lyd_value *in_union(const struct lyd_value *value)
{
	while (value->realtype->basetype == LY_TYPE_UNION)
		value = &value->subvalue->value;
	return value;
}

/* As XML has it; valid until the next one. A prefix it uses is noted in print->modules. */
static const char *xml_text(struct print *print, const struct lyd_value *value)
{
	value = in_union(value);
	if (value->realtype->basetype != LY_TYPE_IDENT)
		return lyd_value_get_canonical(yang_ctx(), value);
	(void)ly_set_add(&print->modules, value->ident->module, 0, NULL);
	buf_clear(&print->scratch);
	(void)!buf_printf(
		&print->scratch, "%s:%s", value->ident->module->prefix, value->ident->name);
	return buf_bytes(&print->scratch);
}

/* Is the value a path or an expression, whose names have other prefixes in XML? */
static bool has_path(const struct lyd_value *value)
{
	const char *id;

	value = in_union(value);
	if (value->realtype->basetype == LY_TYPE_INST)
		return true;
	if (value->realtype->basetype != LY_TYPE_STRING ||
		!strchr(lyd_value_get_canonical(yang_ctx(), value), ':'))
		return false;
	id = value->realtype->plugin->id;
	return strstr(id, "xpath") || strstr(id, "instance-identifier");
}

/* RFC 7951 section 6. */
static void put_json_value(struct print *print, const struct lyd_value *value)
{
	const char *text;

	value = in_union(value);
	text = lyd_value_get_canonical(yang_ctx(), value);
	switch (value->realtype->basetype) {
	case LY_TYPE_EMPTY:
		put_str(print, "[null]");
		break;
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_INT8:
	case LY_TYPE_INT16:
	case LY_TYPE_INT32:
	case LY_TYPE_BOOL:
		put_str(print, text);
		break;
	default:
		put_json(print, text);
		break;
	}
}

static void put_namespaces(struct print *print)
{
	for (uint32_t i = 0; i < print->modules.count; i++) {
		const struct lys_module *module = print->modules.objs[i];

		put_str(print, " xmlns:");
		put_str(print, module->prefix);
		put_str(print, "=\"");
		put_xml(print, module->ns, true);
		put_str(print, "\"");
	}
	print->modules.count = 0;
}

/* --- annotations ------------------------------------------------------------------------------ */

/* A node's origin is said when it is asked for, by note. */
static bool is_origin(const struct lyd_meta *meta)
{
	return !strcmp(meta->name, "origin") &&
		!strcmp(meta->annotation->module->name, ORIGIN_MODULE);
}

static const struct lyd_meta *next_meta(const struct lyd_meta *meta)
{
	while (meta && (compat_meta_is_internal(meta) || is_origin(meta)))
		meta = meta->next;
	return meta;
}

/* What nobody set: with "explicit" as the basic mode that is what counts as default data. */
static bool is_tagged(const struct print *print, const struct lyd_node *node)
{
	if (print->defaults != WITH_DEFAULTS_ALL_TAGGED ||
		!(node->schema->nodetype & LYD_NODE_TERM))
		return false;
	return node->flags & LYD_DEFAULT || (print->tags_equal && lyd_is_default(node));
}

/* Namespaces first, each once: a value and annotations may share some. */
static void put_xml_meta(struct print *print, const struct lyd_node *node)
{
	const struct lyd_meta *meta;

	for (meta = next_meta(node->meta); meta; meta = next_meta(meta->next)) {
		(void)ly_set_add(&print->modules, meta->annotation->module, 0, NULL);
		(void)xml_text(print, &meta->value);
	}
	put_namespaces(print);
	if (is_tagged(print, node))
		put_str(print, " xmlns:ncwd=\"" DEFAULTS_NS "\" ncwd:default=\"true\"");
	if (print->note)
		(void)!buf_printf(
			print->out, " xmlns:or=\"" ORIGIN_NS "\" or:origin=\"or:%s\"", print->note);
	for (meta = next_meta(node->meta); meta; meta = next_meta(meta->next)) {
		(void)!buf_printf(
			print->out, " %s:%s=\"", meta->annotation->module->prefix, meta->name);
		put_xml(print, xml_text(print, &meta->value), true);
		put_str(print, "\"");
	}
	print->modules.count = 0;
}

static bool has_meta(const struct print *print, const struct lyd_node *node)
{
	return print->note || next_meta(node->meta) || is_tagged(print, node);
}

/* {"module:name":value,…} */
static void put_json_meta(struct print *print, const struct lyd_node *node)
{
	const struct lyd_meta *meta = node->meta;
	const char *comma = "";

	put_str(print, "{");
	if (is_tagged(print, node)) {
		put_str(print, "\"" DEFAULTS_MODULE ":default\":true");
		comma = ",";
	}
	if (print->note) {
		(void)!buf_printf(print->out,
			"%s\"" ORIGIN_MODULE ":origin\":\"" ORIGIN_MODULE ":%s\"", comma,
			print->note);
		comma = ",";
	}
	for (; (meta = next_meta(meta)); meta = meta->next) {
		(void)!buf_printf(print->out, "%s\"%s:%s\":", comma, meta->annotation->module->name,
			meta->name);
		put_json_value(print, &meta->value);
		comma = ",";
	}
	put_str(print, "}");
}

/* --- JSON members ----------------------------------------------------------------------------- */

/* Does the name need its module (RFC 7951 section 4)? */
static bool is_qualified(const struct print_level *parent, const struct lysc_node *schema)
{
	return !parent->node || parent->node->schema->module != schema->module;
}

/* "@name": or "name": */
static void put_name(struct print *print, const struct print_level *parent,
	const struct lysc_node *schema, const char *mark)
{
	put_str(print, "\"");
	put_str(print, mark);
	if (is_qualified(parent, schema)) {
		put_str(print, schema->module->name);
		put_str(print, ":");
	}
	put_str(print, schema->name);
	put_str(print, "\":");
}

static void put_notes(struct print *print, struct print_level *level)
{
	put_str(print, ",");
	put_name(print, level, level->array, "@");
	put_str(print, "[");
	put(print, buf_bytes(&level->notes), level->notes.length);
	put_str(print, "]");
}

static void close_array(struct print *print, struct print_level *level)
{
	if (!level->array)
		return;
	put_str(print, "]");
	if (level->has_notes)
		put_notes(print, level);
	buf_clear(&level->notes);
	level->item_count = level->note_count = 0;
	level->has_notes = false;
	level->array = NULL;
}

/* What comes before a member's value: commas, brackets and the name. */
static void begin_member(
	struct print *print, struct print_level *level, const struct lysc_node *schema)
{
	if (level->array == schema) {
		put_str(print, ",");
		return;
	}
	close_array(print, level);
	if (level->has_content)
		put_str(print, ",");
	level->has_content = true;
	put_name(print, level, schema, "");
	if (schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) {
		put_str(print, "[");
		level->array = schema;
	}
}

/* One more item of a leaf-list's array. */
static void note_item(struct print *print, struct print_level *level, const struct lyd_node *node)
{
	struct buf *out = print->out;

	level->item_count++;
	if (!has_meta(print, node))
		return;
	for (; level->note_count + 1 < level->item_count; level->note_count++)
		(void)!buf_append_str(&level->notes, level->note_count ? ",null" : "null");
	if (level->note_count++)
		(void)!buf_append_str(&level->notes, ",");
	level->has_notes = true;
	print->out = &level->notes;
	put_json_meta(print, node);
	print->out = out;
}

/* --- XML elements ----------------------------------------------------------------------------- */

/* The parent's start tag ends with its first content. */
static void begin_content(struct print *print, struct print_level *level)
{
	if (level->node && !level->has_content) {
		put_str(print, ">");
		level->start = print->out->length;
	}
	level->has_content = true;
}

static void put_tag(
	struct print *print, const struct print_level *parent, const struct lysc_node *schema)
{
	put_str(print, "<");
	put_str(print, schema->name);
	if (!is_qualified(parent, schema))
		return;
	put_str(print, " xmlns=\"");
	put_xml(print, schema->module->ns, true);
	put_str(print, "\"");
}

/* --- leaves ----------------------------------------------------------------------------------- */

/*
 * Paths, and arbitrary content, are libyang's to print: an element with its namespace, or
 * {"module:name":…}.
 */
static void put_by_libyang(
	struct print *print, struct print_level *level, const struct lyd_node *node)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const char *from, *colon;

	if (format_print(&text, node, print->format, false, WITH_DEFAULTS_ALL, false, NULL) < 0)
		return;
	from = buf_bytes(&text);
	if (print->format == FORMAT_XML) {
		begin_content(print, level);
		put_tag(print, level, node->schema);
		from += 1 + strlen(node->schema->name) + strlen(" xmlns=\"\"") +
			strlen(node->schema->module->ns);
		put_str(print, from);
		return;
	}
	colon = strstr(from, "\":");
	if (!colon)
		return;
	begin_member(print, level, node->schema);
	put(print, colon + 2, text.length - (size_t)(colon + 2 - from) - 1);
}

static void put_term_xml(
	struct print *print, struct print_level *level, const struct lyd_node_term *term)
{
	const char *text;

	if (has_path(&term->value)) {
		put_by_libyang(print, level, &term->node);
		return;
	}
	begin_content(print, level);
	put_tag(print, level, term->schema);
	(void)xml_text(print, &term->value);
	put_xml_meta(print, &term->node);
	text = xml_text(print, &term->value);
	if (*text) {
		put_str(print, ">");
		put_xml(print, text, false);
		put_str(print, "</");
		put_str(print, term->schema->name);
		put_str(print, ">");
	} else {
		put_str(print, "/>");
	}
	print->modules.count = 0;
}

static void put_term_json(
	struct print *print, struct print_level *level, const struct lyd_node_term *term)
{
	begin_member(print, level, term->schema);
	put_json_value(print, &term->value);
	if (term->schema->nodetype == LYS_LEAFLIST) {
		note_item(print, level, &term->node);
	} else if (has_meta(print, &term->node)) {
		put_str(print, ",");
		put_name(print, level, term->schema, "@");
		put_json_meta(print, &term->node);
	}
}

static void put_node(struct print *print, struct print_level *level, const struct lyd_node *node)
{
	if (!(node->schema->nodetype & LYD_NODE_TERM))
		put_by_libyang(print, level, node);
	else if (print->format == FORMAT_XML)
		put_term_xml(print, level, (const struct lyd_node_term *)node);
	else
		put_term_json(print, level, (const struct lyd_node_term *)node);
}

/* --- levels ----------------------------------------------------------------------------------- */

static void put_keys(struct print *print, struct print_level *level)
{
	const struct lyd_node *key;

	if (level->node->schema->nodetype != LYS_LIST)
		return;
	for (key = lyd_child(level->node); key && lysc_is_key(key->schema); key = key->next)
		put_node(print, level, key);
}

static void open_level(struct print *print, size_t depth)
{
	struct print_level *level = &print->levels[depth], *parent = level - 1;

	if (level->is_open)
		return;
	open_level(print, depth - 1);
	level->is_open = true;
	print->note = level->origin;
	if (print->format == FORMAT_XML) {
		begin_content(print, parent);
		put_tag(print, parent, level->node->schema);
		put_xml_meta(print, level->node);
	} else {
		begin_member(print, parent, level->node->schema);
		put_str(print, "{");
		level->start = print->out->length;
		if (has_meta(print, level->node)) {
			put_str(print, "\"@\":");
			put_json_meta(print, level->node);
			level->has_content = true;
		}
	}
	print->note = NULL;
	put_keys(print, level);
}

/* --- rows --------------------------------------------------------------------------------------- */

static bool has_keyless(const struct lysc_node *schema)
{
	const struct lysc_node *child;

	if (schema->nodetype != LYS_CONTAINER || !(schema->flags & LYS_CONFIG_R))
		return false;
	LY_LIST_FOR (lysc_node_child(schema), child) {
		if (child->nodetype == LYS_LIST && lysc_is_dup_inst_list(child))
			return true;
	}
	return false;
}

static bool holds_rows(const struct print *print, const struct lyd_node *node)
{
	if (!print->rows || !has_keyless(node->schema))
		return false;
	for (size_t i = 1; i < print->depth; i++) {
		if (print->levels[i].holds_rows)
			return false;
	}
	return true;
}

/* The way down to the level, whose nodes need not stand in one tree. */
static char *path_of_level(const struct print *print)
{
	struct buf path = { 0 };

	for (size_t i = 1; i <= print->depth; i++) {
		const struct lyd_node *node = print->levels[i].node, *key = lyd_child(node);

		(void)!buf_printf(&path, "/%s%s%s",
			is_qualified(&print->levels[i - 1], node->schema)
				? node->schema->module->name
				: "",
			is_qualified(&print->levels[i - 1], node->schema) ? ":" : "",
			node->schema->name);
		for (; key && lysc_is_key(key->schema); key = key->next) {
			char quote = strchr(lyd_get_value(key), '\'') ? '"' : '\'';

			(void)!buf_printf(&path, "[%s=%c%s%c]", key->schema->name, quote,
				lyd_get_value(key), quote);
		}
	}
	return buf_take(&path);
}

static void note_rows(struct print *print, const struct print_level *level)
{
	struct ds_rows *rows = print->rows;

	ARRAY_GROW(rows->list, rows->count, rows->room);
	rows->list[rows->count++] = (struct ds_row){
		.path = path_of_level(print),
		.schema = level->node->schema,
		.start = level->start,
		.end = print->out->length,
	};
}

void ds_rows_done(struct ds_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->list[i].path);
	free(rows->list);
	*rows = (struct ds_rows){ 0 };
}

/* --- walking ------------------------------------------------------------------------------------ */

void print_begin(struct print *print, const struct lyd_node *node)
{
	struct print_level *level;

	if (++print->depth == print->room) {
		print->levels =
			xreallocarray(print->levels, print->room * 2, sizeof(*print->levels));
		memset(print->levels + print->room, 0, print->room * sizeof(*print->levels));
		print->room *= 2;
	}
	level = &print->levels[print->depth];
	level->node = node;
	level->origin = print->origin;
	level->is_open = level->has_content = false;
	level->holds_rows = holds_rows(print, node);
}

void print_touch(struct print *print)
{
	open_level(print, print->depth);
}

void print_end(struct print *print)
{
	struct print_level *level = &print->levels[print->depth];

	assert(print->depth);
	if (level->is_open && print->format == FORMAT_JSON)
		close_array(print, level);
	if (level->holds_rows && level->has_content)
		note_rows(print, level);
	print->depth--;
	if (!level->is_open)
		return;
	if (print->format == FORMAT_JSON) {
		put_str(print, "}");
	} else if (level->has_content) {
		put_str(print, "</");
		put_str(print, level->node->schema->name);
		put_str(print, ">");
	} else {
		put_str(print, "/>");
	}
}

void print_done(struct print *print)
{
	if (!print->levels)
		return;
	if (!print->depth)
		close_array(print, &print->levels[0]);
	for (size_t i = 0; i < print->room; i++)
		buf_done(&print->levels[i].notes);
	free(print->levels);
	ly_set_erase(&print->modules, NULL);
	buf_done(&print->scratch);
	buf_done(&print->aside);
	free(TAKE(print->kept));
	print->levels = NULL;
}

bool print_is_open(const struct print *print)
{
	return print->levels[print->depth].is_open;
}

void print_aside_begin(struct print *print)
{
	size_t count = print->depth + 1;

	assert(!print->aside_of);
	print->kept = xreallocarray(print->kept, count, sizeof(*print->kept));
	memcpy(print->kept, print->levels, count * sizeof(*print->kept));
	print->aside_of = print->out;
	print->out = &print->aside;
}

void print_aside_end(struct print *print)
{
	memcpy(print->levels, print->kept, (print->depth + 1) * sizeof(*print->kept));
	print->out = TAKE(print->aside_of);
	buf_clear(&print->aside);
}

void print_leaf(struct print *print, const struct lyd_node *node, bool always)
{
	if (!always && !format_reports(node, print->defaults))
		return;
	open_level(print, print->depth);
	print->note = print->origin;
	put_node(print, &print->levels[print->depth], node);
	print->note = NULL;
}
