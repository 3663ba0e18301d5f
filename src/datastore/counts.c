/* Counted afresh for each parent that was touched: what such a parent holds is little. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "counts.h"
#include "settle.h"
#include "when.h"

/* Path of what is not there. */
static char *absent_path(const struct lyd_node *parent, const struct lysc_node *schema)
{
	_cleanup_free_ char *path = parent ? path_of(parent) : xstrdup("");

	return parent && parent->schema->module == schema->module
		? xasprintf("%s/%s", path, schema->name)
		: xasprintf("%s/%s:%s", path, schema->module->name, schema->name);
}

static int missing(struct err *err, const struct lyd_node *parent, const struct lysc_node *schema)
{
	_cleanup_free_ char *path = parent ? path_of(parent) : xstrdup("");
	_cleanup_free_ char *full = absent_path(parent, schema);

	if (schema->nodetype == LYS_CHOICE) {
		err_tagged(err, ERR_TAG_DATA_MISSING, path, "one choice of %s must be given",
			schema->name);
		err_app_tag(err, "missing-choice");
		err_add_info(err, "missing-choice", schema->name);
	} else {
		err_tagged(err, ERR_TAG_DATA_MISSING, full, "%s is mandatory and missing",
			schema->name);
	}
	if (err)
		err->code = -EINVAL; /* the request lacks it: nothing that it is about */
	return -EINVAL;
}

static bool same_unique(
	const struct lyd_node *a, const struct lyd_node *b, struct lysc_node_leaf **unique)
{
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(unique, u)
	{
		char relative[256] = "";
		const struct lysc_node *at = (const struct lysc_node *)unique[u];
		const struct lyd_node *x, *y;
		size_t length = 0;

		for (; at && at != a->schema; at = schema_data_parent(at)) {
			char step[256];

			length = (size_t)snprintf(step, sizeof(step), "%s:%s%s%s", at->module->name,
				at->name, *relative ? "/" : "", relative);
			if (length >= sizeof(relative))
				return false;
			memcpy(relative, step, length + 1);
		}
		x = node_at(a, relative);
		y = node_at(b, relative);
		if (!x || !y || !str_equal(lyd_get_value(x), lyd_get_value(y)))
			return false;
	}
	return true;
}

static int check_unique(const struct lyd_node *first, struct err *err)
{
	const struct lysc_node_list *list = (const struct lysc_node_list *)first->schema;
	const struct lyd_node *a, *b;
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(list->uniques, u)
	{
		for (a = first; a && a->schema == first->schema; a = a->next) {
			for (b = a->next; b && b->schema == first->schema; b = b->next) {
				_cleanup_free_ char *path = NULL;

				if (!same_unique(a, b, list->uniques[u]))
					continue;
				path = path_of(b);
				err_tagged(err, ERR_TAG_OPERATION_FAILED, path,
					"values that must be unique are those of another entry");
				err_app_tag(err, "data-not-unique");
				return -EINVAL;
			}
		}
	}
	return 0;
}

static int check_count(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err)
{
	bool is_list = schema->nodetype == LYS_LIST;
	uint32_t min = is_list ? ((const struct lysc_node_list *)schema)->min
			       : ((const struct lysc_node_leaflist *)schema)->min;
	uint32_t max = is_list ? ((const struct lysc_node_list *)schema)->max
			       : ((const struct lysc_node_leaflist *)schema)->max;
	const struct lyd_node *first, *node;
	uint32_t count = 0;
	bool holds = true;
	int r;

	if (min == 0 && max == UINT32_MAX &&
		!(is_list && ((const struct lysc_node_list *)schema)->uniques))
		return 0;
	first = validate_first(v, parent, schema);
	for (node = first; node && node->schema == schema; node = node->next)
		count++;
	if (count < min) {
		r = when_all_hold(v, schema, parent, first, &holds, err);
		if (r < 0 || !holds)
			return r;
	}
	if (count < min || count > max) {
		_cleanup_free_ char *full = absent_path(parent, schema);

		err_tagged(err, ERR_TAG_OPERATION_FAILED, full,
			"%u entries of %s; %s %u are allowed", count, schema->name,
			count < min ? "at least" : "at most", count < min ? min : max);
		err_app_tag(err, count < min ? "too-few-elements" : "too-many-elements");
		return -EINVAL;
	}
	return is_list && first ? check_unique(first, err) : 0;
}

int counts_check(struct validation *v, struct lyd_node *parent, const struct lysc_node *holder,
	struct err *err)
{
	const struct lysc_node *child, *of;
	bool holds = false;
	int r = 0;

	LY_LIST_FOR (lysc_node_child(holder), child) {
		if (!(child->flags & LYS_CONFIG_W))
			continue;
		switch (child->nodetype) {
		case LYS_LIST:
		case LYS_LEAFLIST:
			r = check_count(v, parent, child, err);
			break;
		case LYS_CHOICE:
			if ((child->flags & LYS_MAND_TRUE) &&
				settle_case(v, parent, child) == CASE_ABSENT) {
				r = when_choice_holds(v, child, parent, &holds, err);
				if (r == 0 && holds)
					r = missing(err, parent, child);
			}
			LY_LIST_FOR (lysc_node_child(child), of) {
				if (r == 0 && settle_case(v, parent, of) != CASE_ABSENT)
					r = counts_check(v, parent, of, err);
			}
			break;
		case LYS_LEAF:
		case LYS_ANYDATA:
		case LYS_ANYXML:
			if (!(child->flags & LYS_MAND_TRUE) || validate_first(v, parent, child))
				break;
			r = when_all_hold(v, child, parent, NULL, &holds, err);
			if (r == 0 && holds)
				r = missing(err, parent, child);
			break;
		default:
			break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}
