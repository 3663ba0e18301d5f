/* upgrade-progress while an upgrade is installed, once a per cent, and upgrade-end. */
#include "ashlar/installer.h"
#include "ashlar/notify.h"

#include "upgrade-events.h"

#define MODULE "/ashlar-software:"

static struct lyd_node *begin(const char *path, const struct installer_status *status)
{
	struct lyd_node *tree = NULL;

	if (lyd_new_path(NULL, yang_ctx(), path, NULL, 0, &tree) == LY_SUCCESS && status->slot)
		(void)build_leaf(
			tree, "slot", status->slot, NULL); /* what is missing is not told */
	return tree;
}

static void tell_progress(const struct installer_status *status)
{
	struct lyd_node *tree = begin(MODULE "upgrade-progress", status);

	if (!tree)
		return;
	if (build_u64(tree, "percentage", (uint64_t)status->percentage, NULL) == 0 &&
		build_leaf(tree, "message", status->message, NULL) == 0)
		notify_post(tree);
	else
		lyd_free_all(tree);
}

static void tell_end(const struct installer_status *status)
{
	struct lyd_node *tree = begin(MODULE "upgrade-end", status);
	const struct err *error = &status->error;
	const char *result = error->code ? "failed" : status->is_test ? "tested" : "installed";
	int r;

	if (!tree)
		return;
	r = build_leaf(tree, "result", result, NULL);
	if (r == 0 && status->bundle.version)
		r = build_leaf(tree, "version", status->bundle.version, NULL);
	if (r == 0 && error->path)
		r = build_leaf(tree, "path", error->path, NULL);
	if (r == 0 && error->code)
		r = build_leaf(tree, "reason", err_text(error), NULL);
	if (r == 0)
		notify_post(tree);
	else
		lyd_free_all(tree);
}

static void on_change(const struct installer_status *status)
{
	if (status->is_running)
		tell_progress(status);
	else
		tell_end(status);
}

void upgrade_events_start(void)
{
	installer_on_change(on_change);
}

void upgrade_events_stop(void)
{
	installer_on_change(NULL);
}
