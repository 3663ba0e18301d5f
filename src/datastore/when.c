/*
 * whens: a node that one governs goes silently where it stood before or stands by default, and is an error
 * where the edit put it (RFC 7950 section 8.2).
 */
#include <errno.h>

#include "derived.h"
#include "settle.h"
#include "when.h"

/* @up: levels from @at to the context, which may be absent: 0 or 1. */
static int evaluate_derived(
	const struct constraint *constraint, const struct lyd_node *at, unsigned up, bool *ret_true)
{
	int r;

	for (; up < derived_levels(constraint->derived); up++)
		at = lyd_parent(at);
	r = derived_holds(constraint->derived, at);
	*ret_true = r == 1;
	return r < 0 ? r : 0;
}

int when_evaluate(const struct constraint *constraint, const struct lyd_node *context,
	bool *ret_true, struct err *err)
{
	ly_bool result = 0;

	if (constraint->derived && evaluate_derived(constraint, context, 0, ret_true) == 0)
		return 0;
	if (lyd_eval_xpath3(context, constraint->on->module, lyxp_get_expr(constraint->expr),
		    LY_VALUE_SCHEMA_RESOLVED, (void *)constraint->prefixes, NULL,
		    &result) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	*ret_true = result;
	return 0;
}

static int when_holds(struct validation *v, const struct constraint *constraint,
	struct lyd_node *parent, const struct lyd_node *node, bool *ret_true, struct err *err)
{
	struct lyd_node *opaque = NULL;
	int r;

	if (constraint->context != constraint->on)
		return when_evaluate(
			constraint, constraint->context ? parent : *v->edit->tree, ret_true, err);
	if (node)
		return when_evaluate(constraint, node, ret_true, err);
	if (constraint->derived && derived_levels(constraint->derived) &&
		evaluate_derived(constraint, parent, 1, ret_true) == 0)
		return 0;
	/* The context is the absent node itself: libyang evaluates on an opaque stand-in too. */
	if (lyd_new_opaq(parent, yang_ctx(), constraint->on->name, NULL, NULL,
		    constraint->on->module->name, &opaque) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	r = when_evaluate(constraint, opaque, ret_true, err);
	lyd_free_tree(opaque);
	return r;
}

int when_all_hold(struct validation *v, const struct lysc_node *schema, struct lyd_node *parent,
	const struct lyd_node *node, bool *ret_true, struct err *err)
{
	const struct snode *snode = schema_of(schema);
	int r;

	*ret_true = true;
	for (size_t i = 0; *ret_true && i < snode->when_count; i++) {
		r = when_holds(v, snode->whens[i], parent, node, ret_true, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_inside(const struct lysc_node *schema, const struct lysc_node *choice)
{
	for (; schema; schema = schema->parent) {
		if (schema == choice)
			return true;
	}
	return false;
}

int when_choice_holds(struct validation *v, const struct lysc_node *choice, struct lyd_node *parent,
	bool *ret_true, struct err *err)
{
	const struct lysc_node *any = choice;
	const struct snode *snode;
	int r = 0;

	/* Each data node of a choice has the whens of all that is around it. */
	while (any && (any->nodetype & (LYS_CHOICE | LYS_CASE)))
		any = lysc_node_child(any);
	*ret_true = true;
	snode = any ? schema_of(any) : NULL;
	for (size_t i = 0; snode && r == 0 && *ret_true && i < snode->when_count; i++) {
		if (snode->whens[i]->holder == choice ||
			!is_inside(snode->whens[i]->holder, choice))
			r = when_holds(v, snode->whens[i], parent, NULL, ret_true, err);
	}
	return r;
}

int when_check(struct validation *v, const struct check *check, struct err *err)
{
	const struct lysc_node *schema = check->constraint->on;
	struct lyd_node *node = validate_first(v, check->node, schema), *next;
	bool holds = false;
	int r;

	if (!node)
		return check->node ? settle_one(v, check->node, schema, err) : 0;
	r = when_all_hold(v, schema, check->node, node, &holds, err);
	if (r < 0)
		return r;
	for (; node && node->schema == schema; node = next) {
		next = node->next;
		if (holds)
			edit_set_flags(v->edit, node, node->flags | LYD_WHEN_TRUE);
		else if (node->flags & LYD_WHEN_TRUE)
			edit_take_out(v->edit, node, true);
		else
			validate_add(v, &v->denied, check->constraint, node);
	}
	return 0;
}

int when_check_denied(struct validation *v, const struct check *check, struct err *err)
{
	const struct lysc_node *schema = check->constraint->on;
	_cleanup_free_ char *path = NULL;
	bool holds = false;
	int r;

	if (edit_is_dead(v->edit, check->node))
		return 0;
	r = when_all_hold(v, schema, lyd_parent(check->node), check->node, &holds, err);
	if (r < 0)
		return r;
	if (holds) {
		edit_set_flags(v->edit, check->node, check->node->flags | LYD_WHEN_TRUE);
		return 0;
	}
	path = path_of(check->node);
	err_tagged(err, ERR_TAG_UNKNOWN_ELEMENT, path, "%s is allowed only when %s", schema->name,
		lyxp_get_expr(check->constraint->expr));
	err_add_info(err, "bad-element", schema->name);
	return -EINVAL;
}
