/*
 * What names hidden nodes is taken out before the filter sees the notification: that would tell of them by
 * letting it pass or not.
 *
 * A notification passes a subtree filter that selects any of its nodes, and an expression that is true as
 * XPath's boolean(): a set of nodes is when it has one.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "filter.h"
#include "notify-filter.h"
#include "xpath.h"

/* --- access control --------------------------------------------------------------------------- */

static bool is_hidden(const struct access *access, const struct lyd_node *edit)
{
	const char *target = node_text(edit, "target", NULL);

	return !target || !access_sees(access, target);
}

static const struct lyd_node *first_hidden(
	const struct access *access, const struct lyd_node *notification)
{
	const struct lyd_node *edit;

	NODE_FOREACH (edit, notification, "edit") {
		if (is_hidden(access, edit))
			return edit;
	}
	return NULL;
}

struct lyd_node *notify_view(const struct access *access, const struct lyd_node *notification)
{
	struct lyd_node *view = NULL, *child, *next;

	if (access_all(access, ACCESS_READ) || !notification->schema ||
		!str_equal(notification->schema->name, "netconf-config-change") ||
		!str_equal(notification->schema->module->name, "ietf-netconf-notifications") ||
		!first_hidden(access, notification))
		return NULL;
	if (lyd_dup_single(notification, NULL, LYD_DUP_RECURSIVE, &view) != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return NULL;
	}
	for (child = (struct lyd_node *)lyd_child(view); child; child = next) {
		next = child->next;
		if (str_equal(child->schema->name, "edit") && is_hidden(access, child))
			lyd_free_tree(child);
	}
	return view;
}

/* --- filters ---------------------------------------------------------------------------------- */

static bool selects_below(
	struct ds_filter *filter, const struct filter *element, const struct lyd_node *parent);

static bool selects_node(
	struct ds_filter *filter, struct filter *element, const struct lyd_node *node)
{
	switch (filter_match(filter, element, node, NULL)) {
	case FILTER_NONE:
		return false;
	case FILTER_ALL:
		return true;
	case FILTER_PART:
		return selects_below(filter, element, node);
	}
	return false;
}

static bool selects_below(
	struct ds_filter *filter, const struct filter *element, const struct lyd_node *parent)
{
	const struct lyd_node *node;

	for (struct filter *child = element->children; child; child = child->next) {
		if (!child->is_output)
			continue;
		LY_LIST_FOR (lyd_child(parent), node) {
			if (node->schema && filter_names(child, node->schema) &&
				selects_node(filter, child, node))
				return true;
		}
	}
	return false;
}

static bool selects_top(struct ds_filter *filter, const struct lyd_node *notification)
{
	for (struct filter *child = filter->root->children; child; child = child->next) {
		if (filter_names(child, notification->schema) &&
			selects_node(filter, child, notification))
			return true;
	}
	return false;
}

/*
 * As a predicate of the root, for there it has the root as its context, and whatever it results in becomes a
 * boolean.
 */
static LY_ERR evaluate(const char *xpath, const struct lyd_node *notification, bool *ret_result)
{
	_cleanup_free_ char *text = xasprintf("/self::node()[boolean(%s)]/*", xpath);
	struct ly_set *set = NULL;
	LY_ERR rc = compat_find_xpath(notification, text, &set);

	*ret_result = rc == LY_SUCCESS && set->count;
	ly_set_free(set, NULL);
	return rc;
}

static bool holds(const char *xpath, const struct lyd_node *notification)
{
	bool result;

	if (evaluate(xpath, notification, &result) != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return result;
}

bool notify_selects(const struct notify_filter *filter, const struct lyd_node *notification)
{
	if (filter->subtree)
		return selects_top(filter->subtree, notification);
	return !filter->xpath || holds(filter->xpath, notification);
}

/* Tried on a notification of ours: what is no expression, or names what is not there, fails. */
int notify_check_xpath(const char *xpath, struct err *err)
{
	const struct lys_module *module =
		ly_ctx_get_module_implemented(yang_ctx(), "nc-notifications");
	struct lyd_node *sample = NULL;
	bool result;
	LY_ERR rc;

	if (strlen(xpath) > XPATH_SIZE_MAX)
		return err_tagged(err, ERR_TAG_TOO_BIG, NULL,
			"an expression has at most %u characters", XPATH_SIZE_MAX);
	rc = module ? lyd_new_inner(NULL, module, "replayComplete", 0, &sample) : LY_EINVAL;
	if (rc == LY_SUCCESS)
		rc = evaluate(xpath, sample, &result);
	lyd_free_all(sample);
	if (rc == LY_SUCCESS)
		return 0;
	yang_err(err, -EINVAL);
	if (err)
		err->tag = ERR_TAG_INVALID_VALUE;
	return err_wrap(err, "%s", xpath);
}
