/*
 * Defaults (RFC 7950 section 7.6.1) and the cases of choices: the case that something explicit stands in, or
 * else the default case, has its defaults made; of the others what only stood by default goes.
 */
#include <errno.h>

#include "settle.h"
#include "when.h"

static int make_default(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err)
{
	const struct snode *snode = schema_of(schema);
	struct lyd_node *node = NULL;
	const char *value;
	bool holds = false;
	int r = when_all_hold(v, schema, parent, NULL, &holds, err);

	if (r < 0 || !holds)
		return r;
	for (size_t i = 0; i == 0 || schema->nodetype == LYS_LEAFLIST; i++) {
		LY_ERR rc;

		value = constraints_default(schema, i);
		if (schema->nodetype != LYS_CONTAINER && !value)
			break;
		rc = schema->nodetype == LYS_CONTAINER
			? lyd_new_inner(parent, schema->module, schema->name, 0, &node)
			: lyd_new_term(parent, schema->module, schema->name, value, 0, &node);
		if (rc != LY_SUCCESS)
			return yang_err(err, -EINVAL);
		if (!parent) {
			if (*v->edit->tree)
				lyd_insert_sibling(*v->edit->tree, node, v->edit->tree);
			else
				*v->edit->tree = node;
		}
		node->flags = (node->flags & ~(uint32_t)LYD_NEW) | LYD_DEFAULT |
			(snode->when_count ? LYD_WHEN_TRUE : 0);
		edit_record_made(v->edit, node, true);
	}
	return 0;
}

/* The default values of a leaf-list are those of one that is not there (RFC 7950 section 7.7.2). */
static void settle_leaf_list(
	struct validation *v, struct lyd_node *parent, const struct lysc_node *schema)
{
	struct lyd_node *first = validate_first(v, parent, schema), *node, *next;
	bool is_given = false;

	for (node = first; node && node->schema == schema; node = node->next)
		is_given |= !(node->flags & LYD_DEFAULT);
	for (node = first; is_given && node && node->schema == schema; node = next) {
		next = node->next;
		if (node->flags & LYD_DEFAULT)
			edit_take_out(v->edit, node, true);
	}
}

static int settle_schema(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err);

enum case_state settle_case(
	struct validation *v, struct lyd_node *parent, const struct lysc_node *holder)
{
	enum case_state state = CASE_ABSENT, inner;
	const struct lysc_node *child;

	LY_LIST_FOR (lysc_node_child(holder), child) {
		struct lyd_node *node;

		if (child->nodetype & (LYS_CHOICE | LYS_CASE)) {
			inner = settle_case(v, parent, child);
		} else {
			node = validate_first(v, parent, child);
			inner = !node			      ? CASE_ABSENT
				: (node->flags & LYD_DEFAULT) ? CASE_DEFAULT
							      : CASE_EXPLICIT;
		}
		if (inner > state)
			state = inner;
	}
	return state;
}

static void clear_case(
	struct validation *v, struct lyd_node *parent, const struct lysc_node *holder)
{
	const struct lysc_node *child;

	LY_LIST_FOR (lysc_node_child(holder), child) {
		struct lyd_node *node;

		if (child->nodetype & (LYS_CHOICE | LYS_CASE)) {
			clear_case(v, parent, child);
			continue;
		}
		while ((node = validate_first(v, parent, child)))
			edit_take_out(v->edit, node, true);
	}
}

static int settle_choice(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *choice, struct err *err)
{
	const struct lysc_node *of, *chosen = NULL, *child;
	const struct lysc_node *dflt =
		(const struct lysc_node *)((const struct lysc_node_choice *)choice)->dflt;
	int r;

	LY_LIST_FOR (lysc_node_child(choice), of) {
		if (settle_case(v, parent, of) == CASE_EXPLICIT)
			chosen = of;
	}
	if (!chosen)
		chosen = dflt;
	LY_LIST_FOR (lysc_node_child(choice), of) {
		if (of != chosen && settle_case(v, parent, of) == CASE_DEFAULT)
			clear_case(v, parent, of);
	}
	LY_LIST_FOR (chosen ? lysc_node_child(chosen) : NULL, child) {
		r = settle_schema(v, parent, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int settle_schema(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err)
{
	if (!(schema->flags & LYS_CONFIG_W))
		return 0;
	switch (schema->nodetype) {
	case LYS_CHOICE:
		return settle_choice(v, parent, schema, err);
	case LYS_CONTAINER:
		if (schema->flags & LYS_PRESENCE)
			return 0;
		break;
	case LYS_LEAF:
	case LYS_LEAFLIST:
		if (!constraints_default(schema, 0))
			return 0;
		if (schema->nodetype == LYS_LEAFLIST)
			settle_leaf_list(v, parent, schema);
		break;
	default:
		return 0;
	}
	return validate_first(v, parent, schema) ? 0 : make_default(v, parent, schema, err);
}

int settle_parent(struct validation *v, struct lyd_node *parent, struct err *err)
{
	const struct lysc_node *child;
	int r;

	if (edit_is_dead(v->edit, parent))
		return 0;
	LY_LIST_FOR (lysc_node_child(parent->schema), child) {
		r = settle_schema(v, parent, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int settle_one(struct validation *v, struct lyd_node *parent, const struct lysc_node *schema,
	struct err *err)
{
	if (schema->parent && schema->parent->nodetype == LYS_CASE) { /* as others of its choice */
		validate_touch_parent(v, parent);
		return 0;
	}
	validate_count(v, parent);
	return settle_schema(v, parent, schema, err);
}

int settle_top(struct validation *v, const struct edit_event *event, struct err *err)
{
	if (event->kind != EDIT_REMOVED || event->parent || !event->node->schema)
		return 0;
	return settle_schema(v, NULL, event->node->schema, err);
}

int settle_all(struct validation *v, struct err *err)
{
	const struct lys_module *module;
	uint32_t at = 0;

	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		const struct lysc_node *schema;
		int r;

		if (!module->implemented || !module->compiled)
			continue;
		LY_LIST_FOR (module->compiled->data, schema) {
			r = settle_schema(v, NULL, schema, err);
			if (r < 0)
				return r;
		}
	}
	return 1;
}
