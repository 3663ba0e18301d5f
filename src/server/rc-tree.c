/*
 * The nodes that a target names. They are made by libyang's own functions, which bring each key into its
 * canonical form, so that they can then be found by hash. Keys go there as values, not as predicates: a
 * value may have quotes of both kinds.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "rc-tree.h"

static int make_node(const struct rc_uri *uri, const struct rc_step *step, struct lyd_node *parent,
	struct lyd_node **ret_node, struct err *err)
{
	const struct lysc_node *schema = step->schema;
	const char *values[RC_URI_KEYS_MAX] = { NULL };
	LY_ERR rc = LY_EINVAL;

	if (step->count)
		memcpy(values, &uri->values[step->first], step->count * sizeof(*values));
	switch (schema->nodetype) {
	case LYS_CONTAINER:
		rc = lyd_new_inner(parent, schema->module, schema->name, 0, ret_node);
		break;
	case LYS_LIST:
		/* It takes as many as the list has keys. */
		rc = lyd_new_list(parent, schema->module, schema->name, 0, ret_node, values[0],
			values[1], values[2], values[3], values[4], values[5], values[6],
			values[7]);
		break;
	case LYS_LEAFLIST:
		rc = lyd_new_term(parent, schema->module, schema->name, values[0], 0, ret_node);
		break;
	default:
		break;
	}
	if (rc == LY_SUCCESS)
		return 0;
	yang_err(err, -EINVAL);
	err_wrap(err, "\"%s\"", schema->name);
	return -EINVAL;
}

int rc_tree_make(const struct rc_uri *uri, size_t steps, struct lyd_node **ret_top,
	struct lyd_node **ret_last, struct err *err)
{
	struct lyd_node *top = NULL, *last = NULL;
	size_t i;

	for (i = 0; i < steps; i++) {
		int ret = make_node(uri, &uri->steps[i], last, &last, err);

		if (ret < 0) {
			lyd_free_all(top);
			return ret;
		}
		if (!top)
			top = last;
	}
	*ret_top = top;
	*ret_last = last;
	return 0;
}

enum rc_presence rc_tree_find(
	const struct lyd_node *tree, const struct lyd_node *node, const struct lyd_node **ret_match)
{
	const struct lyd_node *siblings = tree, *parent = NULL;
	struct lyd_node *match = NULL;

	*ret_match = NULL;
	if (lyd_parent(node)) {
		if (rc_tree_find(tree, lyd_parent(node), &parent) == RC_ABSENT)
			return RC_ABSENT;
		siblings = parent ? lyd_child(parent) : NULL;
	}
	if (siblings)
		(void)lyd_find_sibling_first(siblings, node, &match);
	*ret_match = match;
	if (match)
		return RC_PRESENT;
	return node->schema->nodetype == LYS_CONTAINER && !(node->schema->flags & LYS_PRESENCE)
		? RC_IMPLIED
		: RC_ABSENT;
}

/* Behind the predicate that begins at @at. */
static const char *skip_predicate(const char *at)
{
	char quote = '\0';

	for (; *at && (quote || *at != ']'); at++) {
		if (quote && *at == quote)
			quote = '\0';
		else if (!quote && (*at == '\'' || *at == '"'))
			quote = *at;
	}
	return *at ? at + 1 : at;
}

/* What @path has behind @above, whose predicates it may leave out; NULL if it lies elsewhere. */
static const char *path_behind(const char *path, const char *above)
{
	while (*above) {
		if (*above == *path) {
			above++;
			path++;
		} else if (*above == '[') {
			above = skip_predicate(above);
		} else {
			return NULL;
		}
	}
	return !*path || *path == '/' ? path : NULL;
}

void rc_tree_complete_path(const struct lyd_node *parent, struct err *err)
{
	_cleanup_free_ char *above = parent ? path_of(parent) : NULL;
	const char *module = parent ? parent->schema->module->name : "", *rest;
	char *whole;

	if (!above || !err->path || err->path[0] != '/')
		return;
	rest = path_behind(err->path, above);
	if (rest) {
		whole = xasprintf("%s%s", above, rest);
	} else {
		rest = err->path + 1;
		if (str_starts(rest, module) && rest[strlen(module)] == ':')
			rest += strlen(module) + 1;
		whole = xasprintf("%s/%s", above, rest);
	}
	free(err->path);
	err->path = whole;
}
