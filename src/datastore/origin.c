/* See origin.h. */
#include <string.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "origin.h"

static const char *const names[] = {
	[DS_ORIGIN_INTENDED] = "intended",
	[DS_ORIGIN_DYNAMIC] = "dynamic",
	[DS_ORIGIN_SYSTEM] = "system",
	[DS_ORIGIN_LEARNED] = "learned",
	[DS_ORIGIN_DEFAULT] = "default",
	[DS_ORIGIN_UNKNOWN] = "unknown",
};

const char *ds_origin_name(enum ds_origin origin)
{
	return names[origin];
}

/* DS_ORIGIN_NONE: it is not annotated. */
static enum ds_origin noted_origin(const struct lyd_node *node)
{
	const struct lyd_meta *meta;

	for (meta = node->meta; meta; meta = meta->next) {
		if (compat_meta_is_internal(meta) || strcmp(meta->name, "origin") ||
			strcmp(meta->annotation->module->name, "ietf-origin"))
			continue;
		for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
			if (str_equal(meta->value.ident->name, names[i]))
				return (enum ds_origin)i;
		}
		return DS_ORIGIN_UNKNOWN;
	}
	return DS_ORIGIN_NONE;
}

static bool says_nothing(const struct lysc_node *schema)
{
	return schema->nodetype == LYS_CONTAINER && !(schema->flags & LYS_PRESENCE);
}

enum ds_origin origin_of(
	const struct lyd_node *node, const struct lyd_node *source, enum ds_origin above)
{
	enum ds_origin noted;

	if (node->schema->flags & LYS_CONFIG_R)
		return DS_ORIGIN_NONE;
	noted = noted_origin(node);
	if (noted)
		return noted;
	if (says_nothing(node->schema) && above)
		return above;
	if (!source) /* what an entry that was learned holds was learned with it */
		return above == DS_ORIGIN_LEARNED ? above : DS_ORIGIN_SYSTEM;
	if (node != source && node->schema->nodetype & LYD_NODE_TERM &&
		lyd_compare_single(node, source, 0) != LY_SUCCESS)
		return DS_ORIGIN_SYSTEM;
	if (says_nothing(node->schema))
		return source->flags & LYD_DEFAULT ? DS_ORIGIN_SYSTEM : DS_ORIGIN_INTENDED;
	return source->flags & LYD_DEFAULT ? DS_ORIGIN_DEFAULT : DS_ORIGIN_INTENDED;
}

enum ds_origin origin_in_notes(const struct lyd_node *node, enum ds_origin above)
{
	enum ds_origin noted = noted_origin(node);

	if (node->schema->flags & LYS_CONFIG_R)
		return DS_ORIGIN_NONE;
	return noted ? noted : above;
}

/* --- what is not in use ----------------------------------------------------------------------- */

struct search {
	struct origin_unused *unused;
	const struct lyd_node *running;
};

static void add_unused(struct origin_unused *unused, const struct lyd_node *node)
{
	ARRAY_GROW(unused->nodes, unused->count, unused->room);
	unused->nodes[unused->count++] = node;
}

static void add_pending(const struct object *object, void *arg)
{
	const struct search *search = arg;
	_cleanup_free_ char *path = NULL;
	struct lyd_node *node = NULL;
	const char *unit = object->want ? want_unit_path(object->want) : NULL;

	/* What is there, if not as it is wanted, is in use. */
	if (!unit || have_get(have_all(), object->kind, object->key))
		return;
	path = *object->path ? xasprintf("%s/%s", unit, object->path) : xstrdup(unit);
	if (lyd_find_path(search->running, path, 0, &node) != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	else
		add_unused(search->unused, node);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct lyd_node *p = *(const struct lyd_node *const *)a,
			      *q = *(const struct lyd_node *const *)b;

	return p < q ? -1 : p > q;
}

void origin_find_unused(struct origin_unused *unused, const struct lyd_node *running)
{
	struct search search = { unused, running };

	if (running)
		state_each_pending(add_pending, &search);
	if (unused->count)
		qsort(unused->nodes, unused->count, sizeof(*unused->nodes), compare_nodes);
}

bool origin_is_unused(const struct origin_unused *unused, const struct lyd_node *node)
{
	return unused->count &&
		bsearch(&node, unused->nodes, unused->count, sizeof(*unused->nodes), compare_nodes);
}

void origin_unused_done(struct origin_unused *unused)
{
	free(unused->nodes);
	*unused = (struct origin_unused){ 0 };
}
