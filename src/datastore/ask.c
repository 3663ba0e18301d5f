/*
 * A feature that refuses a unit says which node is at fault. To go on without it, that node is taken out of
 * the tree, the features are asked again, and so on until none has anything against it; then all is put
 * back: the configuration is what it was, only what is wanted is less. What is around a node and cannot be
 * without it goes with it, in the end the unit.
 */
#include <string.h>

#include "../yang/compat.h"
#include "ask.h"

#define REFUSALS_MAX                                                                               \
	256 /* of one unit that is asked again after each; then it is left out as a whole */

static int ask(const struct unit *unit, struct want **ret_want, struct err *err)
{
	const struct snode *snode = schema_of(unit->schema);
	_cleanup_(want_freep) struct want *want = want_new(unit->path);
	int r = 0;

	for (size_t i = 0; r == 0 && i < snode->feature_count; i++) {
		const struct feature *feature = snode->features[i];

		if (feature->check)
			r = feature->check(unit, err);
		if (r == 0 && feature->want)
			r = feature->want(unit, want, err);
	}
	if (r < 0)
		err_prefix(err, unit->path);
	else
		*ret_want = TAKE(want);
	return r;
}

/* --- what is at fault ---------------------------------------------------------------------------- */

/* Cuts off the last step of a path. */
static void cut_step(char *path)
{
	char *last = path, quote = 0;

	for (char *at = path; *at; at++) {
		if (quote)
			quote = *at == quote ? 0 : quote;
		else if (*at == '\'' || *at == '"')
			quote = *at;
		else if (*at == '/')
			last = at;
	}
	*last = '\0';
}

static bool is_within(const struct lyd_node *node, const struct lyd_node *top)
{
	while (node && node != top)
		node = lyd_parent(node);
	return node != NULL;
}

/* What the path names, or if that is not there what is nearest around it; NULL: nothing in the unit. */
static struct ly_set *find(const struct unit *unit, const char *path)
{
	_cleanup_free_ char *at = xstrdup(path);
	struct ly_set *set = NULL;

	while (*at) {
		if (lyd_find_xpath(unit->node, at, &set) != LY_SUCCESS)
			ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		else if (set->count)
			break;
		ly_set_free(set, NULL);
		set = NULL;
		cut_step(at);
	}
	if (set && !is_within(set->dnodes[0], unit->node)) {
		ly_set_free(set, NULL);
		set = NULL;
	}
	return set;
}

/* The node, or what is around it and can be done without; in the end the unit. */
static struct lyd_node *dispensable(struct lyd_node *node, struct lyd_node *unit)
{
	for (const struct lyd_node *at = node; at; at = lyd_parent(at)) {
		if (schema_of_node(at)->is_vital)
			return unit;
		if (at == unit)
			break;
	}
	while (node != unit && schema_must_stay(node->schema))
		node = lyd_parent(node);
	return node;
}

static bool is_touched(const struct edit *edit, const struct lyd_node *node)
{
	for (size_t i = 0; i < edit->count; i++) {
		const struct edit_event *event = &edit->events[i];
		const struct lyd_node *at =
			event->kind == EDIT_REMOVED ? event->parent : event->node;

		if (is_within(at, node) ||
			(event->kind == EDIT_MADE && is_within(node, event->node)))
			return true;
	}
	return false;
}

/* Nobody knew of it, or the client's edit has to do with it. */
static bool is_clients_fault(const struct unit *unit, const struct edit *edit,
	const struct ly_set *nodes, const struct err *err)
{
	if (!refused_is_known(unit->path, err))
		return true;
	for (uint32_t i = 0; nodes && i < nodes->count; i++) {
		if (is_touched(edit, dispensable(nodes->dnodes[i], (struct lyd_node *)unit->node)))
			return true;
	}
	return !nodes && is_touched(edit, unit->node);
}

/* --- doing without ------------------------------------------------------------------------------- */

/* False: nothing less than the unit. */
static bool take_out(struct edit *aside, const struct unit *unit, const struct ly_set *nodes)
{
	for (uint32_t i = 0; i < nodes->count; i++) {
		struct lyd_node *node;

		if (edit_is_dead(aside, nodes->dnodes[i]))
			continue;
		node = dispensable(nodes->dnodes[i], (struct lyd_node *)unit->node);
		if (node == unit->node)
			return false;
		edit_take_out(aside, node, true);
	}
	return true;
}

/* 1: ask again. 0: the unit as a whole is left out. < 0: it is refused. */
static int do_without(struct edit *aside, const struct unit *unit, const struct edit *edit,
	bool is_lenient, struct refusals *refusals, struct err *err)
{
	struct ly_set *nodes = find(unit, err->path);
	int r = err->code;

	if (is_lenient || !is_clients_fault(unit, edit, nodes, err)) {
		refusals_add(refusals, err);
		r = nodes && refusals->count < REFUSALS_MAX && take_out(aside, unit, nodes);
		err_done(err);
		memset(err, 0, sizeof(*err));
	}
	ly_set_free(nodes, NULL);
	return r;
}

int ask_unit(const struct unit *unit, const struct edit *edit, bool is_lenient,
	struct refusals *refusals, struct want **ret_want, struct err *err)
{
	struct want *want = NULL;
	struct edit aside;
	int r = ask(unit, &want, err);

	if (r < 0) {
		edit_begin(&aside, edit->tree, NULL);
		while (r < 0) {
			r = do_without(&aside, unit, edit, is_lenient, refusals, err);
			if (r > 0)
				r = ask(unit, &want, err);
			else
				break;
		}
		edit_undo(&aside);
	}
	if (r < 0)
		return r;
	if (want && !want_count(want)) {
		want_free(want);
		want = NULL;
	}
	*ret_want = want;
	return 0;
}
