/*
 * The envelope. One pass over the message checks that all of it is well-formed and notes where the
 * operation, its parameters and their children lie; what is deeper is payload (a configuration, a
 * filter), handed on as text. No tree is built here: a large payload is parsed once, by libyang.
 *
 * Payload loses its surroundings when it is cut out, namespace declarations of outer elements with
 * them; nc_rpc_content() puts those back on the payload's top elements where they lack them.
 */
#include <errno.h>
#include <string.h>

#include "nc-rpc.h"

#define NOTED_DEPTH 4 /* <rpc> 1, operation 2, parameters 3, their children 4 */

struct scan {
	struct nc_rpc *rpc;
	struct xml xml;
	int scope;		     /* bindings at the current element */
	int scopes[NOTED_DEPTH + 1]; /* the same, by depth */
	struct nc_element
		*at[NOTED_DEPTH + 1]; /* the noted element open at that depth; may be NULL */
	unsigned operations;
	bool has_text; /* directly in <rpc> */
};

/* The message is @before, the value, @after; @info (may be NULL) carries the value as well. */
static int refuse(struct err *err, enum err_tag tag, const char *info, const char *before,
	struct xml_text value, const char *after)
{
	_cleanup_free_ char *name = xml_text_dup(value);
	int ret = err_tagged(err, tag, NULL, "%s%s%s", before, name, after);

	if (err)
		err->type = ERR_TYPE_RPC;
	if (info)
		err_add_info(err, info, name);
	return ret;
}

static int malformed(struct err *err, const char *before, struct xml_text value, const char *after)
{
	return refuse(err, ERR_TAG_MALFORMED_MESSAGE, NULL, before, value, after);
}

/* --- namespaces ------------------------------------------------------------------------------- */

static bool is_declaration(const struct xml_attribute *attribute)
{
	if (attribute->prefix.size)
		return xml_text_is(attribute->prefix, "xmlns");
	return xml_text_is(attribute->name, "xmlns");
}

/* Namespace names are compared with their references resolved, which hardly any has. */
static bool uri_is(struct xml_text uri, const char *literal)
{
	_cleanup_free_ char *decoded = NULL;

	if (!memchr(uri.at, '&', uri.size))
		return xml_text_is(uri, literal);
	decoded = xml_text_decode(uri, true);
	return strcmp(decoded, literal) == 0;
}

static struct xml_text look_up(const struct nc_rpc *rpc, int scope, struct xml_text prefix)
{
	for (; scope >= 0; scope = rpc->bindings[scope].outer)
		if (xml_text_equal(rpc->bindings[scope].prefix, prefix))
			return rpc->bindings[scope].uri;
	if (xml_text_is(prefix, "xml"))
		return XML_LITERAL("http://www.w3.org/XML/1998/namespace");
	return (struct xml_text){ prefix.at, 0 };
}

/* Adds the declarations of the element just started to the chain. */
static int bind_all(struct scan *scan, struct err *err)
{
	struct nc_rpc *rpc = scan->rpc;
	size_t i;

	for (i = 0; i < scan->xml.attribute_count; i++) {
		const struct xml_attribute *attribute = &scan->xml.attributes[i];
		struct nc_binding *binding = &rpc->bindings[rpc->binding_count];

		if (!is_declaration(attribute))
			continue;
		if (rpc->binding_count == NC_RPC_BINDINGS_MAX)
			return malformed(err, "too many namespace declarations at \"",
				attribute->name, "\"");
		if (attribute->prefix.size && !attribute->value.size)
			return malformed(err, "the prefix \"", attribute->name,
				"\" is declared without namespace");
		binding->prefix = attribute->name;
		if (!attribute->prefix.size)
			binding->prefix.size = 0;
		binding->uri = attribute->value;
		binding->raw = attribute->raw;
		binding->outer = scan->scope;
		scan->scope = (int)rpc->binding_count++;
	}
	return 0;
}

/* The namespace of the element just started. */
static int resolve(struct scan *scan, struct xml_text *ret_ns, struct err *err)
{
	*ret_ns = look_up(scan->rpc, scan->scope, scan->xml.prefix);
	if (scan->xml.prefix.size && !ret_ns->size)
		return malformed(err, "the prefix \"", scan->xml.prefix, "\" is not declared");
	return 0;
}

struct xml_text nc_rpc_namespace(
	const struct nc_rpc *rpc, const struct nc_element *element, struct xml_text prefix)
{
	return look_up(rpc, element->scope, prefix);
}

/* --- the pass --------------------------------------------------------------------------------- */

/* Keeps the attributes that are no declarations; false when there is no room. */
static bool keep_attributes(struct scan *scan, unsigned *ret_first, unsigned *ret_count)
{
	struct nc_rpc *rpc = scan->rpc;
	size_t i;

	*ret_first = (unsigned)rpc->attribute_count;
	*ret_count = 0;
	for (i = 0; i < scan->xml.attribute_count; i++) {
		if (is_declaration(&scan->xml.attributes[i]))
			continue;
		if (rpc->attribute_count == NC_RPC_ATTRIBUTES_MAX)
			return false;
		rpc->attributes[rpc->attribute_count++] = scan->xml.attributes[i];
		++*ret_count;
	}
	return true;
}

/* Can the attributes of <rpc> stand in a reply? */
static int check_echo(const struct scan *scan, struct err *err)
{
	const struct nc_rpc *rpc = scan->rpc;
	size_t i, size = 0;

	for (i = 0; i < rpc->rpc_attributes; i++) {
		const struct xml_attribute *attribute = &rpc->attributes[i];

		size += attribute->raw.size;
		if (attribute->prefix.size && !look_up(rpc, scan->scope, attribute->prefix).size)
			return malformed(
				err, "the prefix \"", attribute->prefix, "\" is not declared");
	}
	if (size > NC_RPC_ECHO_MAX)
		return malformed(err, "the attributes of <", scan->xml.name, "> are too long");
	return 0;
}

/* The root's start tag. */
static int take_root(struct scan *scan, struct err *err)
{
	struct nc_rpc *rpc = scan->rpc;
	struct xml_text ns;
	unsigned first, count;
	int ret;

	ret = bind_all(scan, err);
	if (ret < 0)
		return ret;
	ret = resolve(scan, &ns, err);
	if (ret < 0)
		return ret;
	if (!uri_is(ns, NC_NS_BASE) || !xml_text_is(scan->xml.name, "rpc"))
		return malformed(err, "the message is no <rpc> of the NETCONF namespace but <",
			scan->xml.name, ">");
	if (!keep_attributes(scan, &first, &count))
		return malformed(err, "<", scan->xml.name, "> has too many attributes");
	rpc->rpc_attributes = count;
	rpc->rpc_scope = scan->scopes[1] = scan->scope;
	ret = check_echo(scan, err);
	if (ret < 0)
		rpc->rpc_attributes = 0;
	return ret;
}

static bool declares_default(const struct xml *xml)
{
	size_t i;

	for (i = 0; i < xml->attribute_count; i++)
		if (!xml->attributes[i].prefix.size &&
			xml_text_is(xml->attributes[i].name, "xmlns"))
			return true;
	return false;
}

/* Notes the element just started at depth 2 to 4. */
static int note_start(struct scan *scan, struct err *err)
{
	struct nc_rpc *rpc = scan->rpc;
	size_t depth = scan->xml.depth;
	struct nc_element *element;
	int outer_scope = scan->scope, ret;

	ret = bind_all(scan, err);
	scan->scopes[depth] = scan->scope;
	scan->at[depth] = NULL;
	if (ret < 0)
		return ret;
	if (rpc->element_count == NC_RPC_ELEMENTS_MAX) {
		rpc->overflow = true;
		return 0;
	}
	element = &rpc->elements[rpc->element_count++];
	*element = (struct nc_element){
		.level = (unsigned)depth - 2,
		.name = scan->xml.name,
		.outer = { scan->xml.token, 0 },
		.inner = { scan->xml.at, 0 },
		.scope = scan->scope,
		.outer_scope = outer_scope,
		.children_declare = true,
	};
	scan->at[depth] = element;
	if (!keep_attributes(scan, &element->attributes, &element->attribute_count))
		rpc->overflow = true;
	return resolve(scan, &element->ns, err);
}

static int take_start(struct scan *scan, struct err *err)
{
	size_t depth = scan->xml.depth;
	struct nc_element *parent;

	if (depth > NOTED_DEPTH + 1)
		return 0;
	parent = scan->at[depth - 1];
	if (parent) {
		parent->has_children = true;
		if (!declares_default(&scan->xml))
			parent->children_declare = false;
	}
	scan->operations += depth == 2;
	return depth > NOTED_DEPTH ? 0 : note_start(scan, err);
}

static void take_end(struct scan *scan)
{
	size_t depth = scan->xml.depth + 1; /* of the element that ended */
	struct nc_element *element;

	if (depth > NOTED_DEPTH || depth < 2)
		return;
	element = scan->at[depth];
	if (element) {
		element->outer.size = (size_t)(scan->xml.at - element->outer.at);
		/* An empty element's END has no markup of its own. */
		if (scan->xml.token != scan->xml.at)
			element->inner.size = (size_t)(scan->xml.token - element->inner.at);
	}
	scan->scope = scan->scopes[depth - 1];
}

static void take_text(struct scan *scan)
{
	size_t depth = scan->xml.depth;
	bool *has_text;

	if (depth == 1)
		has_text = &scan->has_text;
	else if (depth >= 2 && depth <= NOTED_DEPTH && scan->at[depth])
		has_text = &scan->at[depth]->has_text;
	else
		return;
	if (!*has_text)
		*has_text = scan->xml.is_cdata || !xml_text_is_blank(scan->xml.text);
}

/* What is wrong with the <rpc> itself, once it is known to be well-formed. */
static int check_rpc(const struct scan *scan, struct err *err)
{
	const struct nc_rpc *rpc = scan->rpc;
	bool has_id = false;
	size_t i;

	for (i = 0; i < rpc->rpc_attributes; i++)
		if (!rpc->attributes[i].prefix.size &&
			xml_text_is(rpc->attributes[i].name, "message-id"))
			has_id = true;
	if (!has_id) {
		(void)refuse(err, ERR_TAG_MISSING_ATTRIBUTE, "bad-attribute",
			"<rpc> needs the attribute \"", XML_LITERAL("message-id"), "\"");
		return err_add_info(err, "bad-element", "rpc");
	}
	if (scan->has_text)
		return refuse(err, ERR_TAG_BAD_ELEMENT, "bad-element", "<", XML_LITERAL("rpc"),
			"> holds text");
	if (!scan->operations)
		return refuse(err, ERR_TAG_MISSING_ELEMENT, "bad-element", "<", XML_LITERAL("rpc"),
			"> holds no operation");
	if (scan->operations > 1)
		return refuse(err, ERR_TAG_BAD_ELEMENT, "bad-element", "<", XML_LITERAL("rpc"),
			"> holds more than one operation");
	return 0;
}

static void begin(struct scan *scan, struct nc_rpc *rpc, const char *message, size_t size)
{
	rpc->attribute_count = rpc->binding_count = rpc->element_count = rpc->rpc_attributes = 0;
	rpc->rpc_scope = -1;
	rpc->overflow = rpc->has_comments = false;
	scan->rpc = rpc;
	scan->scope = -1;
	scan->operations = 0;
	scan->has_text = false;
	memset(scan->at, 0, sizeof(scan->at));
	xml_init(&scan->xml, message, size);
}

/* One event; what it says about elements is no reason to stop: all must be known to be well-formed. */
static int step(struct scan *scan, struct err *trouble, struct err *err)
{
	int event = xml_next(&scan->xml, err);

	if (event == XML_START && scan->xml.depth == 1) {
		int ret = take_root(scan, err);

		return ret < 0 ? ret : event;
	}
	if (event == XML_START)
		(void)take_start(scan, trouble->code ? NULL : trouble);
	else if (event == XML_END)
		take_end(scan);
	else if (event == XML_TEXT)
		take_text(scan);
	return event;
}

static int not_text(struct err *err)
{
	return malformed(err, "the message is not UTF-8 text", (struct xml_text){ "", 0 },
		", or holds characters that XML does not allow");
}

/* Looks at @size bytes of markup, roughly; 1 at the end of the message. */
static int scan_some(struct scan *scan, size_t size, struct err *trouble, struct err *err)
{
	const char *until =
		(size_t)(scan->xml.end - scan->xml.at) > size ? scan->xml.at + size : NULL;
	int event;

	do
		event = step(scan, trouble, err);
	while (event >= 0 && event != XML_DONE && (!until || scan->xml.at < until));
	if (event < 0 || event != XML_DONE)
		return event < 0 ? event : 0;
	scan->rpc->has_comments = scan->xml.has_comments;
	if (trouble->code)
		return err_move(err, trouble);
	event = check_rpc(scan, err);
	return event < 0 ? event : 1;
}

int nc_rpc_parse(struct nc_rpc *rpc, const char *message, size_t size, struct err *err)
{
	_cleanup_err_ struct err trouble = { 0 };
	struct scan scan;
	int ret;

	begin(&scan, rpc, message, size);
	if (!xml_is_text(message, size))
		return not_text(err);
	ret = scan_some(&scan, SIZE_MAX, &trouble, err);
	return ret < 0 ? ret : 0;
}

/* --- the same in pieces ------------------------------------------------------------------------- */

struct nc_rpc_scan {
	struct scan scan;
	struct err trouble;
	const char *text; /* up to here it is known to be text */
};

struct nc_rpc_scan *nc_rpc_scan_new(struct nc_rpc *rpc, const char *message, size_t size)
{
	struct nc_rpc_scan *scan = xmalloc(sizeof(*scan));

	scan->trouble = (struct err){ 0 };
	scan->text = message;
	begin(&scan->scan, rpc, message, size);
	return scan;
}

void nc_rpc_scan_free(struct nc_rpc_scan *scan)
{
	if (!scan)
		return;
	err_done(&scan->trouble);
	free(scan);
}

int nc_rpc_scan_more(struct nc_rpc_scan *scan, size_t size, struct err *err)
{
	const char *end = scan->scan.xml.end;
	size_t left = (size_t)(end - scan->text);

	if (!left)
		return scan_some(&scan->scan, size, &scan->trouble, err);
	/* A piece does not end within a character. */
	while (size < left && ((unsigned char)scan->text[size] & 0xc0) == 0x80)
		size++;
	if (size > left)
		size = left;
	if (!xml_is_text(scan->text, size))
		return not_text(err);
	scan->text += size;
	return 0;
}

void nc_rpc_parse_head(struct nc_rpc *rpc, const char *message, size_t size)
{
	struct scan scan;
	int event = XML_TEXT;

	/* As much of it as is text: the cut may be within a character. */
	if (size > NC_RPC_ECHO_MAX * 2)
		size = NC_RPC_ECHO_MAX * 2;
	while (size && !xml_is_text(message, size))
		size = size > 4 ? size - 1 : 0;
	begin(&scan, rpc, message, size);
	while (size && event == XML_TEXT)
		event = xml_next(&scan.xml, NULL);
	if (event == XML_START)
		(void)take_root(&scan, NULL); /* it leaves what can be echoed */
}

/* --- looking at it ---------------------------------------------------------------------------- */

static const struct nc_element *end_of(const struct nc_rpc *rpc)
{
	return rpc->elements + rpc->element_count;
}

const struct nc_element *nc_rpc_child(const struct nc_rpc *rpc, const struct nc_element *parent)
{
	const struct nc_element *next = parent + 1;

	return next < end_of(rpc) && next->level == parent->level + 1 ? next : NULL;
}

const struct nc_element *nc_rpc_next(const struct nc_rpc *rpc, const struct nc_element *child)
{
	const struct nc_element *next;

	for (next = child + 1; next < end_of(rpc) && next->level >= child->level; next++)
		if (next->level == child->level)
			return next;
	return NULL;
}

bool nc_element_is(const struct nc_element *element, const char *ns, const char *name)
{
	if (!xml_text_is(element->name, name))
		return false;
	/* A parameter without namespace (ncclient's <config>) can only mean the protocol's. */
	if (!element->ns.size && element->level)
		return strcmp(ns, NC_NS_BASE) == 0;
	return uri_is(element->ns, ns);
}

const struct xml_attribute *nc_rpc_attribute(
	const struct nc_rpc *rpc, const struct nc_element *element, const char *name)
{
	size_t i;

	for (i = 0; i < element->attribute_count; i++) {
		const struct xml_attribute *attribute = &rpc->attributes[element->attributes + i];

		if (xml_text_is(attribute->name, name) &&
			(!attribute->prefix.size ||
				uri_is(nc_rpc_namespace(rpc, element, attribute->prefix),
					NC_NS_BASE)))
			return attribute;
	}
	return NULL;
}

int nc_rpc_value(const struct nc_rpc *rpc, const struct nc_element *element, char **ret_value,
	struct err *err)
{
	struct buf value = { 0 };
	struct xml xml;
	int event;

	if (element->has_children)
		return refuse(err, ERR_TAG_BAD_ELEMENT, "bad-element", "<", element->name,
			"> holds a value, not elements");
	/* Usually there is neither a comment nor CDATA. */
	if (!element->inner.size || !memchr(element->inner.at, '<', element->inner.size)) {
		*ret_value = xml_text_decode(element->inner, false);
		return 0;
	}
	xml_init_fragment(&xml, element->inner.at, element->inner.size);
	while ((event = xml_next(&xml, err)) == XML_TEXT) {
		_cleanup_free_ char *piece =
			xml.is_cdata ? xml_text_dup(xml.text) : xml_text_decode(xml.text, false);

		(void)!buf_append_str(&value, piece); /* no ceiling: part of a bounded message */
	}
	if (event < 0) {
		buf_done(&value);
		return event;
	}
	*ret_value = buf_take(&value);
	return 0;
}

/* --- payload ---------------------------------------------------------------------------------- */

static void put(struct buf *to, const char *from, const char *end)
{
	(void)!buf_append(
		to, from, (size_t)(end - from)); /* no ceiling: follows a bounded message */
}

static bool has_own(const struct xml *xml, const struct nc_binding *binding)
{
	size_t i;

	for (i = 0; i < xml->attribute_count; i++) {
		const struct xml_attribute *attribute = &xml->attributes[i];

		if (!is_declaration(attribute))
			continue;
		if (binding->prefix.size ? (attribute->prefix.size &&
						   xml_text_equal(attribute->name, binding->prefix))
					 : !attribute->prefix.size)
			return true;
	}
	return false;
}

/* Is there a nearer binding of the same prefix? */
static bool is_hidden(const struct nc_rpc *rpc, int scope, int binding)
{
	for (; scope != binding; scope = rpc->bindings[scope].outer)
		if (xml_text_equal(rpc->bindings[scope].prefix, rpc->bindings[binding].prefix))
			return true;
	return false;
}

static void put_binding(struct buf *to, const struct nc_binding *binding)
{
	(void)!buf_append_str(to, " "); /* no ceiling */
	put(to, binding->raw.at, binding->raw.at + binding->raw.size);
}

/* The declarations that the top element just started needs from outside. */
static void put_bindings(struct buf *to, const struct nc_rpc *rpc, int scope, const struct xml *xml)
{
	int i;

	for (i = scope; i >= 0; i = rpc->bindings[i].outer) {
		const struct nc_binding *binding = &rpc->bindings[i];

		if (!binding->uri.size || has_own(xml, binding) || is_hidden(rpc, scope, i))
			continue;
		put_binding(to, binding);
	}
}

/* Copies the text with declarations added and comments left out. */
static int complete(const struct nc_rpc *rpc, int scope, struct xml_text text, struct buf *scratch,
	struct err *err)
{
	const char *from = text.at, *behind = text.at; /* of the last event */
	struct xml xml;
	int event;

	buf_clear(scratch);
	(void)buf_reserve(scratch, text.size + 256);
	xml_init_fragment(&xml, text.at, text.size);
	do {
		event = xml_next(&xml, err);
		if (event < 0)
			return event;
		if (xml.token != behind) {
			put(scratch, from, behind);
			from = xml.token;
			/* With what stood before the comment it must not become "]]>". */
			if (event == XML_TEXT && *from == '>') {
				(void)!buf_append_str(scratch, "&gt;");
				from++;
			}
		}
		if (event == XML_START && xml.depth == 1) {
			const char *name_end = xml.name.at + xml.name.size;

			put(scratch, from, name_end);
			put_bindings(scratch, rpc, scope, &xml);
			from = name_end;
		}
		behind = xml.at;
	} while (event != XML_DONE);
	put(scratch, from, behind);
	return 0;
}

/* The same of what is in an element, without comments: the scan has noted where its children are. */
static void complete_children(
	const struct nc_rpc *rpc, const struct nc_element *element, struct buf *scratch)
{
	const char *from = element->inner.at;
	const struct nc_element *child;
	int i, own;

	buf_clear(scratch);
	(void)buf_reserve(scratch, element->inner.size + 256);
	for (child = nc_rpc_child(rpc, element); child; child = nc_rpc_next(rpc, child)) {
		const char *name_end = child->name.at + child->name.size;

		put(scratch, from, name_end);
		from = name_end;
		for (i = child->outer_scope; i >= 0; i = rpc->bindings[i].outer) {
			const struct nc_binding *binding = &rpc->bindings[i];

			for (own = child->scope; own != child->outer_scope;
				own = rpc->bindings[own].outer)
				if (xml_text_equal(rpc->bindings[own].prefix, binding->prefix))
					break;
			if (binding->uri.size && own == child->outer_scope &&
				!is_hidden(rpc, child->outer_scope, i))
				put_binding(scratch, binding);
		}
	}
	put(scratch, from, element->inner.at + element->inner.size);
}

/* Has the content all the declarations it needs? */
static bool needs_none(const struct nc_rpc *rpc, const struct nc_element *element)
{
	int scope;

	for (scope = element->scope; scope >= 0; scope = rpc->bindings[scope].outer)
		if (rpc->bindings[scope].prefix.size || !element->children_declare)
			return false;
	return true;
}

int nc_rpc_content(const struct nc_rpc *rpc, const struct nc_element *element, struct buf *scratch,
	struct xml_text *ret_text, struct err *err)
{
	int ret;

	if (element->has_text)
		return refuse(err, ERR_TAG_BAD_ELEMENT, "bad-element", "<", element->name,
			"> holds elements, not text");
	*ret_text = element->inner;
	if (!element->has_children)
		ret_text->size = 0; /* blanks and comments */
	if (!element->has_children || (!rpc->has_comments && needs_none(rpc, element)))
		return 0;
	/* Of deeper ones, and of those there was no room for, nothing was noted. */
	if (!rpc->has_comments && !rpc->overflow && element->level < NOTED_DEPTH - 2) {
		complete_children(rpc, element, scratch);
		ret = 0;
	} else {
		ret = complete(rpc, element->scope, element->inner, scratch, err);
	}
	if (ret == 0)
		*ret_text = (struct xml_text){ buf_bytes(scratch), scratch->length };
	return ret;
}

int nc_rpc_whole(const struct nc_rpc *rpc, const struct nc_element *element, struct buf *scratch,
	struct xml_text *ret_text, struct err *err)
{
	int ret = complete(rpc, element->outer_scope, element->outer, scratch, err);

	if (ret == 0)
		*ret_text = (struct xml_text){ buf_bytes(scratch), scratch->length };
	return ret;
}
