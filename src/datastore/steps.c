/* See steps.h. */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "steps.h"
#include "store.h"

void steps_init(struct steps *steps, struct access *access)
{
	memset(steps, 0, sizeof(*steps));
	steps->access = access_ref(access);
	steps->arena = arena_new();
}

void steps_done(struct steps *steps)
{
	if (!steps->arena)
		return;
	access_unref(steps->access);
	free(steps->items);
	free(steps->is_open);
	arena_free(TAKE(steps->arena));
}

/* The data node that asks for the object, or has asked for it; NULL: none did. */
static char *owner_of(struct steps *steps, const struct plan *plan, size_t index)
{
	const struct object *object = plan_owner(plan, index);
	bool has_path = object && object->path && *object->path;

	if (!object || !object->want)
		return NULL;
	return arena_printf(steps->arena, "%s%s%s", want_unit_path(object->want),
		has_path ? "/" : "", has_path ? object->path : "");
}

static struct lyd_node *find(const char *path)
{
	struct lyd_node *node = NULL;

	if (!*store_running() || lyd_find_path(*store_running(), path, 0, &node) != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return NULL;
	}
	return node;
}

/* 1: it is visible, 0: it is not; -1: it is not there. Above it, what is there counts if all below can be read. */
static int is_visible(const struct steps *steps, const char *path, bool can_go_up)
{
	_cleanup_free_ char *above = xstrdup(path);
	const struct lyd_node *node = find(path);

	if (node)
		return access_visible(steps->access, node);
	while (can_go_up && !node && path_go_up(above))
		node = find(above);
	if (!node)
		return -1;
	return access_visible(steps->access, node) &&
		access_below(steps->access, node->schema, ACCESS_READ) == ACCESS_PERMIT;
}

void steps_take(struct steps *steps, const struct plan *plan)
{
	static const char *const operations[] = {
		[STEP_ADD] = "add",
		[STEP_CHANGE] = "change",
		[STEP_REMOVE] = "remove",
	};
	size_t count = plan_count(plan);

	steps->items = xcalloc(count + 1, sizeof(*steps->items));
	steps->is_open = xcalloc(count + 1, sizeof(*steps->is_open));
	for (size_t i = 0; i < count; i++) {
		const struct step *step = plan_step(plan, i);
		const struct object *object = step->want ? step->want : step->have;
		char *owner = owner_of(steps, plan, i);
		int visible = !steps->access || access_all(steps->access, ACCESS_READ) ? 1
			: owner ? is_visible(steps, owner, false)
				: 0;

		if (visible == 0)
			continue;
		steps->is_open[steps->count] = visible < 0;
		steps->items[steps->count++] = (struct ds_step){
			.operation = operations[step->op],
			.kind = object->kind->name,
			.key = arena_strdup(steps->arena, object->key),
			.owner = owner,
		};
	}
}

void steps_settle(struct steps *steps)
{
	size_t kept = 0;

	for (size_t i = 0; i < steps->count; i++) {
		if (!steps->is_open[i] || is_visible(steps, steps->items[i].owner, true) == 1)
			steps->items[kept++] = steps->items[i];
	}
	steps->count = kept;
}

/* --- as text ------------------------------------------------------------------------------------ */

static int build(
	struct lyd_node *operation, const struct ds_step *step, size_t index, struct err *err)
{
	struct lyd_node *node = NULL;
	int r;

	if (lyd_new_list(operation, NULL, "step", true, &node) != LY_SUCCESS)
		return yang_err(err, -EIO);
	r = build_u64(node, "index", index, err);
	if (r >= 0)
		r = build_leaf(node, "operation", step->operation, err);
	if (r >= 0)
		r = build_leaf(node, "kind", step->kind, err);
	if (r >= 0)
		r = build_leaf(node, "key", step->key, err);
	if (r >= 0 && step->owner)
		r = build_leaf(node, "owner", step->owner, err);
	return r < 0 ? r : 0;
}

int ds_print_steps(struct buf *out, const struct ds_step *steps, size_t count, enum format format,
	struct err *err)
{
	const struct lys_module *module =
		ly_ctx_get_module_implemented(yang_ctx(), "ashlar-history");
	struct lyd_node *operation = NULL;
	int r = 0;

	if (lyd_new_inner(NULL, module, "rollback", 0, &operation) != LY_SUCCESS)
		return yang_err(err, -EIO);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = build(operation, &steps[i], i + 1, err);
	if (r == 0)
		r = format_print_output(out, operation, format, err);
	lyd_free_tree(operation);
	return r;
}
