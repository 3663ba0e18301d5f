/*
 * A subscription that names a filter goes on with what the filter becomes, and its session is told (RFC
 * 8639 section 2.7.2); when it is gone, so is the subscription. The changes are followed the way a client
 * would: by a subscription of our own to that part of running.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "subscribe-filter.h"

#define FILTERS "/" SUBSCRIBED_MODULE ":filters"

static struct {
	struct push *push;
	size_t users;
	struct loop_task *task;
} filters;

/* --- finding ---------------------------------------------------------------------------------- */

static const struct lyd_node *find_entry(const char *name, bool is_push)
{
	const struct lyd_node *top, *entry;

	LY_LIST_FOR (ds_tree(DS_RUNNING), top) {
		if (!top->schema || !str_equal(top->schema->name, "filters") ||
			!str_equal(top->schema->module->name, SUBSCRIBED_MODULE))
			continue;
		NODE_FOREACH (
			entry, top, is_push ? PUSH_MODULE ":selection-filter" : "stream-filter") {
			if (str_equal(node_text(entry, is_push ? "filter-id" : "name", ""), name))
				return entry;
		}
	}
	return NULL;
}

/* The text of a subtree, malloc'd. */
static int subtree_text(const struct lyd_node *node, char **ret_text, struct err *err)
{
	char *text = NULL;

	if (lyd_any_value_str(node, &text) != LY_SUCCESS)
		return yang_err(err, -EIO);
	*ret_text = text ? text : xstrdup("");
	return 0;
}

int subscribe_find_filter(
	const char *name, bool is_push, struct notify_filter *ret_filter, struct err *err)
{
	const struct lyd_node *entry = find_entry(name, is_push), *subtree;
	const char *xpath;
	_cleanup_free_ char *text = NULL;
	int ret;

	if (!entry)
		return err_set(err, -ENOENT, NULL, "there is no filter \"%s\"", name);
	xpath = node_text(entry, is_push ? "datastore-xpath-filter" : "stream-xpath-filter", NULL);
	if (xpath) {
		ret_filter->xpath = xstrdup(xpath);
		return 0;
	}
	subtree = node_child(entry, is_push ? "datastore-subtree-filter" : "stream-subtree-filter");
	if (!subtree)
		return 0; /* it selects everything */
	ret = subtree_text(subtree, &text, err);
	return ret < 0 ? ret : ds_parse_filter(text, strlen(text), &ret_filter->subtree, err);
}

/* --- following -------------------------------------------------------------------------------- */

/* The same terms with the filter as it is now. */
static void take_filter(struct subscription *subscription)
{
	struct subscribe_terms terms = *subscription_terms(subscription);
	int ret = subscribe_find_filter(terms.filter_name, terms.is_push, &terms.filter, NULL);

	if (ret < 0) {
		subscription_terminate(subscription, "filter-unavailable");
		return;
	}
	terms.filter_name = xstrdup(terms.filter_name);
	terms.subtree_text = terms.xpath_text = NULL;
	subscription_modify(subscription, &terms);
	subscription_tell_modified(subscription);
}

static void on_task(void *arg)
{
	struct subscription *subscription = subscribe_next(NULL), *next;

	for (; subscription; subscription = next) {
		next = subscribe_next(subscription);
		if (subscription_terms(subscription)->filter_name)
			take_filter(subscription);
	}
}

static bool is_ready(void *arg)
{
	return true;
}

static void on_changes(struct timespec when, uint32_t patch_id, const struct buf *edits, void *arg)
{
	/* Not from within what calls it: it may be freed by this. */
	loop_task_schedule(filters.task);
}

static void on_update(struct timespec when, struct buf *contents, bool is_incomplete, void *arg)
{
	loop_task_schedule(filters.task);
}

static void on_suspended(enum push_trouble trouble, void *arg)
{
	/* That its reader does not keep up cannot be; of memory it needs next to nothing. */
}

static void on_resumed(void *arg)
{
	loop_task_schedule(filters.task);
}

void subscribe_filter_use(void)
{
	struct push_opts opts = {
		.client = { .user = "", .protocol = "internal", .is_recovery = true },
		.ds = DS_RUNNING,
		.is_on_change = true,
		.is_ready = is_ready,
		.update = on_update,
		.changes = on_changes,
		.suspended = on_suspended,
		.resumed = on_resumed,
	};

	if (filters.users++)
		return;
	opts.filter.xpath = xstrdup(FILTERS);
	filters.task = loop_task_new("filters", on_task, NULL);
	filters.push = push_new(&opts);
}

void subscribe_filter_unuse(void)
{
	if (--filters.users)
		return;
	push_free(TAKE(filters.push));
	loop_task_free(TAKE(filters.task));
}
