/* See generate.h. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/map.h"
#include "ashlar/str.h"

#include "generate.h"

#define VALUES_MAX 8
#define DEPTH_MAX  8

/* What a leaf may hold: found out once, by asking its type. */
struct values {
	const struct lysc_node *leaf;
	char *list[VALUES_MAX];
	unsigned count;
};

static struct {
	uint64_t seed;
	struct map values; /* const struct lysc_node * → struct values * */
	const struct lysc_node **tops;
	size_t top_count, top_room;
	const char **roots;
	size_t root_count, root_room;
} generate;

/* Something for most types; those that hold identities, enums and bits are asked what they have. */
static const char *const samples[] = { "p1", "br0", "va", "vb", "1", "2", "10", "100", "1500", "0",
	"4094", "65535", "true", "false", "192.0.2.1", "198.51.100.0/24", "0.0.0.0/0",
	"2001:db8::1", "2001:db8:1::/48", "::/0", "00:11:22:33:44:55", "02:00:00:00:00:01",
	"example.org", "admin", "YWJj", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00",
	"+01:00", "*", "/ietf-interfaces:interfaces", "$6$c2FsdA$abcdefghijklmnopqrstuvwxyz",
	"$0$secret", "ssh-ed25519", "https://example.org/a", "oci-archive:/tmp/a.tar", "1.5",
	"0.25", "1.3.6.1.4.1", "a b c", "10m", "512M", "65000:1", "0x10", "read write", "-1", "" };

unsigned generate_below(unsigned limit)
{
	generate.seed ^= generate.seed << 13;
	generate.seed ^= generate.seed >> 7;
	generate.seed ^= generate.seed << 17;
	return (unsigned)(generate.seed >> 33) % limit;
}

static bool one_in(unsigned count)
{
	return generate_below(count) == 0;
}

/* --- values ------------------------------------------------------------------------------------- */

void generate_ignore_leaks(bool ignore)
{
#ifdef __SANITIZE_ADDRESS__
	ignore ? __lsan_disable() : __lsan_enable();
#endif
}

static void add_value(struct values *values, const struct lysc_node *leaf, const char *value)
{
	const char *canonical = NULL;
	LY_ERR rc;

	if (values->count == VALUES_MAX)
		return;
	generate_ignore_leaks(
		true); /* of what libyang 2.1 would have said of a value that it refuses */
	rc = lyd_value_validate(yang_ctx(), leaf, value, strlen(value), NULL, NULL, &canonical);
	generate_ignore_leaks(false);
	if (rc == LY_SUCCESS || rc == LY_EINCOMPLETE)
		values->list[values->count++] = xstrdup(value);
	else
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
}

static void add_identities(
	struct values *values, const struct lysc_node *leaf, const struct lysc_ident *base)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(base->derived, i)
	{
		_cleanup_free_ char *name =
			xasprintf("%s:%s", base->derived[i]->module->name, base->derived[i]->name);

		add_value(values, leaf, name);
		add_identities(values, leaf, base->derived[i]);
	}
}

static void add_named(
	struct values *values, const struct lysc_node *leaf, const struct lysc_type *type)
{
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_ENUM:
		LY_ARRAY_FOR(((const struct lysc_type_enum *)type)->enums, i)
		{
			add_value(
				values, leaf, ((const struct lysc_type_enum *)type)->enums[i].name);
		}
		break;
	case LY_TYPE_BITS:
		LY_ARRAY_FOR(((const struct lysc_type_bits *)type)->bits, i)
		{
			add_value(
				values, leaf, ((const struct lysc_type_bits *)type)->bits[i].name);
		}
		break;
	case LY_TYPE_IDENT:
		LY_ARRAY_FOR(((const struct lysc_type_identityref *)type)->bases, i)
		{
			add_identities(values, leaf,
				((const struct lysc_type_identityref *)type)->bases[i]);
		}
		break;
	case LY_TYPE_UNION:
		LY_ARRAY_FOR(((const struct lysc_type_union *)type)->types, i)
		{
			add_named(values, leaf, ((const struct lysc_type_union *)type)->types[i]);
		}
		break;
	default:
		break;
	}
}

static const struct lysc_type *type_of(const struct lysc_node *leaf)
{
	return leaf->nodetype == LYS_LEAF ? ((const struct lysc_node_leaf *)leaf)->type
					  : ((const struct lysc_node_leaflist *)leaf)->type;
}

static struct values *values_of(const struct lysc_node *leaf)
{
	struct values *values = map_get(&generate.values, &leaf, sizeof(leaf));

	if (values)
		return values;
	values = XNEW(struct values);
	values->leaf = leaf;
	add_named(values, leaf, type_of(leaf));
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		add_value(values, leaf, samples[i]);
	map_put(&generate.values, &values->leaf, sizeof(values->leaf), values);
	return values;
}

static const char *value_for(const struct lysc_node *leaf)
{
	const struct values *values = values_of(leaf);

	return values->count ? values->list[generate_below(values->count)] : NULL;
}

static const char *value_or_none(const struct lysc_node *leaf)
{
	const char *value = value_for(leaf);

	return value ? value : "none";
}

static bool is_number(const struct lysc_type *type)
{
	switch (type->basetype) {
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_INT8:
	case LY_TYPE_INT16:
	case LY_TYPE_INT32:
	case LY_TYPE_BOOL:
		return true;
	case LY_TYPE_LEAFREF:
		return is_number(((const struct lysc_type_leafref *)type)->realtype);
	default:
		return false;
	}
}

/* --- text --------------------------------------------------------------------------------------- */

static void put(struct buf *text, const char *piece)
{
	(void)!buf_append_str(text, piece); /* no ceiling */
}

static void put_name(
	struct buf *text, const struct lysc_node *schema, const struct lysc_node *parent)
{
	put(text, "\"");
	if (!parent || parent->module != schema->module) {
		put(text, schema->module->name);
		put(text, ":");
	}
	put(text, schema->name);
	put(text, "\":");
}

static void put_value(struct buf *text, const struct lysc_node *leaf, const char *value)
{
	const struct lysc_type *type = type_of(leaf);

	if (type->basetype == LY_TYPE_EMPTY) {
		put(text, "[null]");
	} else if (is_number(type)) {
		put(text, value);
	} else {
		put(text, "\"");
		put(text, value); /* no sample needs an escape */
		put(text, "\"");
	}
}

static const char *operation(void)
{
	static const char *const names[] = { "merge", "replace", "create", "remove", "delete" };

	return names[one_in(2) ? 0 : generate_below(ARRAY_SIZE(names))];
}

/* Where an entry goes that the user orders: beside one that may be there or not. */
static void put_place(struct buf *text, const struct lysc_node *schema)
{
	static const char *const places[] = { "first", "last", "before", "after" };
	unsigned place = generate_below(ARRAY_SIZE(places));
	const struct lysc_node *child;

	put(text, "\"yang:insert\":\"");
	put(text, places[place]);
	put(text, "\"");
	if (place < 2)
		return;
	put(text, schema->nodetype == LYS_LIST ? ",\"yang:key\":\"" : ",\"yang:value\":\"");
	if (schema->nodetype == LYS_LEAFLIST)
		put(text, value_or_none(schema));
	LY_LIST_FOR (lysc_node_child(schema), child) {
		if (!lysc_is_key(child))
			continue;
		put(text, "[");
		put(text, child->module->name);
		put(text, ":");
		put(text, child->name);
		put(text, "='");
		put(text, value_or_none(child));
		put(text, "']");
	}
	put(text, "\"");
}

/* What is kept beside a value (RFC 7952), where the schema has such a thing. */
static void put_annotation(struct buf *text)
{
	if (!ly_ctx_get_module_implemented(yang_ctx(), "infix-meta") || !one_in(3))
		return;
	put(text, one_in(2) ? ",\"infix-meta:dirty\":\"yes\"" : ",\"infix-meta:dirty\":\"no\"");
}

static void put_operation(struct buf *text, const struct lysc_node *schema)
{
	put(text, "\"@\":{\"ietf-netconf:operation\":\"");
	put(text, operation());
	put(text, "\"");
	if (lysc_is_userordered(schema)) {
		put(text, ",");
		put_place(text, schema);
	}
	if (schema->nodetype == LYS_LIST)
		put_annotation(text);
	put(text, "},");
}

/* Several values of a leaf-list, all of them different, with or without their places. */
static void put_items(struct buf *text, const struct lysc_node *list)
{
	const struct values *values = values_of(list);
	unsigned count = 1 + generate_below(values->count), at = generate_below(values->count);
	bool is_placed = lysc_is_userordered(list) && one_in(2);

	put(text, "[");
	for (unsigned i = 0; i < count; i++) {
		put(text, i ? "," : "");
		put_value(text, list, values->list[(at + i) % values->count]);
	}
	put(text, "]");
	if (!is_placed)
		return;
	put(text, ",\"@");
	if (!list->parent || list->parent->module != list->module) {
		put(text, list->module->name);
		put(text, ":");
	}
	put(text, list->name);
	put(text, "\":[");
	for (unsigned i = 0; i < count; i++) {
		put(text, i ? ",{" : "{");
		put_place(text, list);
		put(text, "}");
	}
	put(text, "]");
}

/* --- nodes -------------------------------------------------------------------------------------- */

static bool put_node(struct buf *text, const struct lysc_node *schema,
	const struct lysc_node *parent, unsigned depth);

static bool is_mandatory(const struct lysc_node *schema)
{
	return (schema->flags & LYS_MAND_TRUE) != 0;
}

/* The children of one case of each choice. */
static void put_children(struct buf *text, const struct lysc_node *parent,
	const struct lysc_node *of, unsigned depth)
{
	const struct lysc_node *child;
	unsigned cases, wanted;

	LY_LIST_FOR (lysc_node_child(of), child) {
		if (!(child->flags & LYS_CONFIG_W) || lysc_is_key(child))
			continue;
		if (child->nodetype == LYS_CHOICE) {
			const struct lysc_node *one;

			if (!is_mandatory(child) && !one_in(2))
				continue;
			cases = 0;
			LY_LIST_FOR (
				(const struct lysc_node *)((const struct lysc_node_choice *)child)
					->cases,
				one)
				cases++;
			wanted = cases ? generate_below(cases) : 0;
			LY_LIST_FOR (
				(const struct lysc_node *)((const struct lysc_node_choice *)child)
					->cases,
				one) {
				if (wanted-- == 0)
					put_children(text, parent, one, depth);
			}
			continue;
		}
		if (is_mandatory(child) ? !one_in(12) : one_in(depth < 3 ? 3 : 5))
			(void)put_node(text, child, parent, depth);
	}
}

static bool put_keys(struct buf *text, const struct lysc_node *list)
{
	const struct lysc_node *child;

	LY_LIST_FOR (lysc_node_child(list), child) {
		const char *value;

		if (!lysc_is_key(child))
			continue;
		value = value_for(child);
		if (!value)
			return false;
		put_name(text, child, list);
		put_value(text, child, value);
		put(text, ",");
	}
	return true;
}

static void end_object(struct buf *text)
{
	if (buf_bytes(text)[text->length - 1] == ',')
		text->length--;
	put(text, "}");
}

static bool put_inner(struct buf *text, const struct lysc_node *schema, unsigned depth)
{
	bool is_list = schema->nodetype == LYS_LIST;

	put(text, is_list ? "[{" : "{");
	if (one_in(is_list ? 4 : 12))
		put_operation(text, schema);
	if (is_list && !put_keys(text, schema))
		return false;
	if (depth < DEPTH_MAX)
		put_children(text, schema, schema, depth + 1);
	end_object(text);
	if (is_list)
		put(text, "]");
	return true;
}

/* Nothing is left of a node that cannot be made. */
static bool put_node(struct buf *text, const struct lysc_node *schema,
	const struct lysc_node *parent, unsigned depth)
{
	size_t length = text->length;
	const char *value;

	put_name(text, schema, parent);
	switch (schema->nodetype) {
	case LYS_CONTAINER:
	case LYS_LIST:
		if (!put_inner(text, schema, depth))
			goto nothing;
		break;
	case LYS_LEAF:
		value = value_for(schema);
		if (!value)
			goto nothing;
		put_value(text, schema, value);
		break;
	case LYS_LEAFLIST:
		if (!values_of(schema)->count)
			goto nothing;
		put_items(text, schema);
		break;
	case LYS_ANYDATA:
	case LYS_ANYXML:
		put(text, one_in(2) ? "{\"inner\":[\"a\",{\"b\":1}]}" : "{\"other\":{}}");
		break;
	default:
		goto nothing;
	}
	put(text, ",");
	return true;
nothing:
	text->length = length;
	return false;
}

/* --- what is there ------------------------------------------------------------------------------ */

static const struct lyd_node *some_node(const struct lyd_node *tree)
{
	const struct lyd_node *found = NULL, *elem, *top;
	unsigned count = 0;

	LY_LIST_FOR (tree, top) {
		LYD_TREE_DFS_BEGIN (top, elem) {
			if (!(elem->flags & LYD_DEFAULT) && !lysc_is_key(elem->schema) &&
				one_in(++count))
				found = elem;
			LYD_TREE_DFS_END(top, elem);
		}
	}
	return found;
}

static void put_existing_keys(struct buf *text, const struct lyd_node *entry)
{
	const struct lyd_node *child;

	LY_LIST_FOR (lyd_child(entry), child) {
		if (!lysc_is_key(child->schema))
			continue;
		put_name(text, child->schema, entry->schema);
		put_value(text, child->schema, lyd_get_value(child));
		put(text, ",");
	}
}

/* Ancestors of @node, opened; how many there are to close in *ends. */
static void put_way(struct buf *text, const struct lyd_node *node, struct buf *ends)
{
	const struct lyd_node *parent = lyd_parent(node);

	if (!parent)
		return;
	put_way(text, parent, ends);
	put_name(text, parent->schema, lyd_parent(parent) ? lyd_parent(parent)->schema : NULL);
	put(text, parent->schema->nodetype == LYS_LIST ? "[{" : "{");
	put(ends, parent->schema->nodetype == LYS_LIST ? "l" : "c");
	put_existing_keys(text, parent);
}

static void put_term_change(struct buf *text, const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema;
	const struct lysc_node *parent = lyd_parent(node) ? lyd_parent(node)->schema : NULL;
	bool is_list = schema->nodetype == LYS_LEAFLIST;
	const char *value = one_in(2) ? lyd_get_value(node) : value_for(schema);

	put_name(text, schema, parent);
	put(text, is_list ? "[" : "");
	put_value(text, schema, value ? value : lyd_get_value(node));
	put(text, is_list ? "]" : "");
	if (!one_in(2))
		return;
	put(text, ",\"@");
	if (!parent || parent->module != schema->module) {
		put(text, schema->module->name);
		put(text, ":");
	}
	put(text, schema->name);
	put(text, is_list ? "\":[" : "\":");
	put(text, "{\"ietf-netconf:operation\":\"");
	put(text, one_in(3) ? "merge" : one_in(4) ? "replace" : "remove");
	put(text, "\"");
	put_annotation(text);
	put(text, is_list ? "}]" : "}");
}

static void put_inner_change(struct buf *text, const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema;

	put_name(text, schema, lyd_parent(node) ? lyd_parent(node)->schema : NULL);
	put(text, schema->nodetype == LYS_LIST ? "[{" : "{");
	put_operation(text, schema);
	put_existing_keys(text, node);
	if (one_in(2))
		put_children(text, schema, schema, 2);
	end_object(text);
	put(text, schema->nodetype == LYS_LIST ? "]" : "");
}

static void put_change_of(struct buf *text, const struct lyd_node *node)
{
	_cleanup_(buf_done) struct buf ends = { 0 };

	put_way(text, node, &ends);
	if (node->schema->nodetype & LYD_NODE_TERM)
		put_term_change(text, node);
	else
		put_inner_change(text, node);
	for (size_t i = ends.length; i-- > 0;)
		put(text, buf_bytes(&ends)[i] == 'l' ? "}]" : "}");
}

void generate_edit(struct buf *text, const struct lyd_node *tree)
{
	const struct lyd_node *node = tree && one_in(2) ? some_node(tree) : NULL;

	put(text, "{");
	if (node) {
		put_change_of(text, node);
	} else {
		size_t at = generate_below((unsigned)generate.top_count);

		/* Interfaces have most of the constraints. */
		for (size_t i = 0; !one_in(3) && i < generate.top_count; i++) {
			if (str_equal(generate.tops[i]->name, "interfaces"))
				at = i;
		}
		(void)put_node(text, generate.tops[at], NULL, 0);
	}
	end_object(text);
}

/* --- life --------------------------------------------------------------------------------------- */

static void add_tops(const struct lys_module *module)
{
	const struct lysc_node *node = NULL;

	while ((node = lys_getnext(node, NULL, module->compiled, 0))) {
		if (!(node->flags & LYS_CONFIG_W) || !(node->nodetype & (LYS_CONTAINER | LYS_LIST)))
			continue;
		ARRAY_GROW(generate.tops, generate.top_count, generate.top_room);
		generate.tops[generate.top_count++] = node;
		ARRAY_GROW(generate.roots, generate.root_count, generate.root_room);
		generate.roots[generate.root_count++] =
			xasprintf("/%s:%s", node->module->name, node->name);
	}
}

void generate_init(void)
{
	const char *seed = getenv("TEST_SEED");
	const struct lys_module *module;
	uint32_t index = 0;

	generate.seed = seed ? strtoull(seed, NULL, 10) : 1;
	printf("seed %llu\n", (unsigned long long)generate.seed);
	while ((module = ly_ctx_get_module_iter(yang_ctx(), &index))) {
		/* libyang 3 has a container of its own in ietf-netconf. */
		if (module->implemented && module->compiled &&
			!str_equal(module->name, "ietf-netconf"))
			add_tops(module);
	}
	ARRAY_GROW(generate.roots, generate.root_count, generate.root_room);
	generate.roots[generate.root_count] = NULL;
}

const char *const *generate_roots(void)
{
	return generate.roots;
}

void generate_done(void)
{
	struct values *values;
	size_t at = 0;

	while ((values = map_next(&generate.values, &at))) {
		while (values->count)
			free(values->list[--values->count]);
		free(values);
	}
	map_done(&generate.values);
	for (size_t i = 0; i < generate.root_count; i++)
		free((char *)generate.roots[i]);
	free(generate.roots);
	free(generate.tops);
	memset(&generate, 0, sizeof(generate));
}
