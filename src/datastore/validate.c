/*
 * Incremental validation (RFC 7950 section 8.3.3): the record of an edit is read from its start; each
 * change asks the index which constraints it can break and for which instances.
 *
 * Order: defaults of the parents touched, then the whens that read what changed, until nothing moves
 * any more (what these make or remove joins the record and is read in its turn); then mandatory nodes
 * and counts of the parents touched; then musts and leafrefs, each pair of constraint and instance once.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"

#include "counts.h"
#include "data-index.h"
#include "settle.h"
#include "when.h"

#define STEP_MAX   64 /* pieces of work between two looks at the clock */
#define CHECK_SIZE offsetof(struct check, cause)

struct validation *validation_new(struct edit *edit, bool is_whole)
{
	struct validation *v = XNEW(struct validation);

	v->edit = edit;
	v->arena = arena_new();
	edit->observer = &data_index_observer;
	v->settle_all = is_whole;
	return v;
}

struct validation *validation_new_settling(struct edit *edit)
{
	struct validation *v = XNEW(struct validation);

	v->edit = edit;
	v->arena = arena_new();
	v->is_settling = true;
	return v;
}

/* Has it a value of its own, which an error can name? */
static bool is_telling(const struct lyd_node *node)
{
	return node && node->schema->nodetype & (LYD_NODE_TERM | LYS_LIST);
}

void validate_add(struct validation *v, struct checks *checks, const struct constraint *constraint,
	struct lyd_node *node)
{
	struct check key = { constraint, node, v->cause }, *check;

	check = map_get(&checks->seen, &key, CHECK_SIZE);
	if (check) {
		if (is_telling(v->cause) && !is_telling(check->cause))
			check->cause = v->cause;
		return;
	}
	check = arena_alloc(v->arena, sizeof(*check));
	*check = key;
	map_put(&checks->seen, check, CHECK_SIZE, check);
	ARRAY_GROW(checks->items, checks->count, checks->room);
	checks->items[checks->count++] = check;
}

/* A when may have to be looked at again: it leaves the set as it is taken. */
static struct check *take_check(struct checks *checks)
{
	struct check *check = checks->items[checks->done++];

	map_del(&checks->seen, check, CHECK_SIZE);
	if (checks->done == checks->count)
		checks->done = checks->count = 0;
	return check;
}

static void add_parent(struct validation *v, struct parents *parents, struct lyd_node *node)
{
	struct lyd_node **item;

	if (!node || map_get(&parents->seen, &node, sizeof(node)))
		return;
	item = arena_alloc(v->arena, sizeof(*item));
	*item = node;
	map_put(&parents->seen, item, sizeof(*item), item);
	ARRAY_GROW(parents->items, parents->count, parents->room);
	parents->items[parents->count++] = item;
}

static struct lyd_node *take_parent(struct parents *parents)
{
	struct lyd_node **item = parents->items[parents->done++];

	map_del(&parents->seen, item, sizeof(*item));
	if (parents->done == parents->count)
		parents->done = parents->count = 0;
	return *item;
}

static void add_instance(
	struct validation *v, const struct constraint *constraint, struct lyd_node *node)
{
	static const size_t queues[] = {
		[CONSTRAINT_WHEN] = offsetof(struct validation, whens),
		[CONSTRAINT_MUST] = offsetof(struct validation, musts),
		[CONSTRAINT_LEAFREF] = offsetof(struct validation, leafrefs),
	};

	validate_add(v, (struct checks *)((char *)v + queues[constraint->kind]), constraint, node);
}

/* --- from a change to the instances it concerns ------------------------------------------------ */

/* All instances of chain[0] below @node, an instance of chain[depth]. */
static void add_below(struct validation *v, const struct constraint *constraint,
	struct lyd_node *node, const struct lysc_node *const *chain, size_t depth)
{
	struct lyd_node *child = NULL;

	if (depth == 0) {
		add_instance(v, constraint, node);
		return;
	}
	if (lyd_find_sibling_val(edit_children(v->edit, node), chain[depth - 1], NULL, 0, &child) !=
		LY_SUCCESS)
		return;
	for (; child && child->schema == chain[depth - 1]; child = child->next)
		add_below(v, constraint, child, chain, depth - 1);
}

static void reach_below(struct validation *v, const struct constraint *constraint,
	struct lyd_node *node, const struct lysc_node *anchor)
{
	const struct lysc_node *chain[64], *at = constraints_holder(constraint);
	size_t depth = 0;

	if (!at) /* a when at top level: its instance is the root */
		return;
	while (node && node->schema != anchor)
		node = edit_parent(v->edit, node);
	if (anchor && !node)
		return;
	for (; at && at != anchor && depth < ARRAY_SIZE(chain); at = schema_data_parent(at))
		chain[depth++] = at;
	add_below(v, constraint, node, chain, depth);
}

/* From a leafref leaf to the constraint's instances around it. */
static void reach_from_source(
	struct validation *v, const struct constraint *constraint, struct lyd_node *source)
{
	const struct lysc_node *holder = constraints_holder(constraint), *common = source->schema;
	const struct lysc_node *up;

	for (; common; common = schema_data_parent(common)) {
		for (up = holder; up && up != common; up = schema_data_parent(up))
			;
		if (up)
			break;
	}
	reach_below(v, constraint, source, common);
}

static void reach_value(struct validation *v, const struct constraint *constraint,
	const struct lysc_node *source, const char *value)
{
	struct list *holders = data_index_holders(source, value);
	struct data_index_place *place;

	if (!holders)
		return;
	LIST_FOREACH (place, holders, link)
		reach_from_source(v, constraint, place->node);
}

static void reach_all(struct validation *v, const struct constraint *constraint)
{
	const struct lysc_node *holder = constraints_holder(constraint);
	struct lyd_node **node;
	size_t at = 0;

	while (holder && (node = map_next(&schema_of(holder)->instances, &at)))
		add_instance(v, constraint, *node);
}

/* Where no index tells instances elsewhere in the tree, all of a when's are looked up from the root. */
static void tell_when(struct validation *v, const struct reader *reader, struct lyd_node *node)
{
	if (reader->constraint->kind == CONSTRAINT_WHEN)
		reach_below(v, reader->constraint, node,
			reader->reach == REACH_BELOW ? reader->anchor : NULL);
}

/* @old: the former value of a changed or removed leaf. */
static void tell_readers(struct validation *v, struct lyd_node *node, const char *old)
{
	struct snode *snode = schema_of_node(node);

	v->cause = node;
	for (size_t i = 0; i < snode->reader_count; i++) {
		const struct reader *reader = &snode->readers[i];
		struct lyd_node *entry = node;

		if (v->is_settling) {
			tell_when(v, reader, node);
			continue;
		}
		switch (reader->reach) {
		case REACH_BELOW:
			reach_below(v, reader->constraint, node, reader->anchor);
			break;
		case REACH_VALUE:
			while (entry && entry->schema != reader->list)
				entry = edit_parent(v->edit, entry);
			if (entry && lyd_child(entry))
				reach_value(v, reader->constraint, reader->source,
					lyd_get_value(lyd_child(entry)));
			break;
		case REACH_TARGET:
			if (old)
				reach_value(v, reader->constraint, reader->source, old);
			break;
		case REACH_ALL:
			reach_all(v, reader->constraint);
			break;
		}
	}
	v->cause = NULL;
}

static void check_own(struct validation *v, struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	for (size_t i = 0; !v->is_settling && i < snode->own_count; i++)
		add_instance(v, snode->own[i], node);
}

/* A new value that only one entry of a list may have. */
static void count_unique(struct validation *v, struct lyd_node *node)
{
	const struct lysc_node *list = schema_of_node(node)->unique_in;

	while (list && node && node->schema != list)
		node = lyd_parent(node);
	if (list && node && lyd_parent(node))
		validate_count(v, lyd_parent(node));
}

static void check_whens(struct validation *v, struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	for (size_t i = 0; i < snode->when_count; i++)
		validate_add(v, &v->whens, snode->whens[i], lyd_parent(node));
}

static void node_made(struct validation *v, struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	if (!v->is_settling)
		data_index_enter(node);
	check_own(v, node);
	check_whens(v, node);
	if (snode->has_settled_children)
		add_parent(v, &v->settle, node);
	validate_count(v, node);
	count_unique(v, node);
	tell_readers(v, node, NULL);
}

static void node_removed(struct validation *v, struct lyd_node *node)
{
	bool is_term = node->schema->nodetype & LYD_NODE_TERM;

	if (!v->is_settling)
		data_index_leave(node);
	tell_readers(v, node, is_term ? lyd_get_value(node) : NULL);
}

static bool is_np_container(const struct lyd_node *node)
{
	return node->schema->nodetype == LYS_CONTAINER && !(node->schema->flags & LYS_PRESENCE);
}

void validate_count(struct validation *v, struct lyd_node *parent)
{
	if (!v->is_settling && schema_of_node(parent)->has_counted_children)
		add_parent(v, &v->count, parent);
}

/* What a container without presence holds decides whether it counts where it stands itself. */
void validate_touch_parent(struct validation *v, struct lyd_node *parent)
{
	for (; parent; parent = lyd_parent(parent)) {
		if (schema_of_node(parent)->has_settled_children)
			add_parent(v, &v->settle, parent);
		validate_count(v, parent);
		if (!is_np_container(parent))
			break;
	}
}

/* Next node of a subtree in document order; NULL at its end. */
static struct lyd_node *walk_next(struct lyd_node *root, struct lyd_node *at)
{
	if (lyd_child(at))
		return lyd_child(at);
	while (at != root && !at->next)
		at = lyd_parent(at);
	return at == root ? NULL : at->next;
}

/* Reads one event, or, of a large subtree, a part of it. */
static void read_event(struct validation *v)
{
	struct edit_event *event = &v->edit->events[v->read];
	struct lyd_node *node = event->node;

	switch (event->kind) {
	case EDIT_MADE:
	case EDIT_REMOVED:
		if (!v->walk_at) {
			v->walk_root = v->walk_at = node;
			/* A default was made as its parent was looked at. */
			if (event->kind == EDIT_REMOVED)
				validate_touch_parent(v, event->parent);
			else if (!event->is_implicit)
				validate_touch_parent(v, lyd_parent(node));
		}
		for (int n = 0; n < STEP_MAX && v->walk_at; n++) {
			if (event->kind == EDIT_MADE)
				node_made(v, v->walk_at);
			else
				node_removed(v, v->walk_at);
			v->walk_at = walk_next(v->walk_root, v->walk_at);
		}
		if (v->walk_at)
			return;
		break;
	case EDIT_CHANGED:
		if (!v->is_settling)
			data_index_change(node);
		check_own(v, node);
		check_whens(v, node); /* libyang forgets with the value that they held */
		count_unique(v, node);
		if (node->schema->nodetype == LYS_LEAFLIST)
			validate_touch_parent(v, lyd_parent(node)); /* is no default any more */
		tell_readers(v, node, event->old);
		break;
	case EDIT_MOVED:
		tell_readers(v, node, NULL);
		break;
	case EDIT_FLAGS:
	case EDIT_ANNOTATED:
		break;
	}
	v->read++;
}

struct lyd_node *validate_first(
	struct validation *v, const struct lyd_node *parent, const struct lysc_node *schema)
{
	struct lyd_node *node = NULL;

	if (!edit_children(v->edit, parent))
		return NULL;
	(void)lyd_find_sibling_val(edit_children(v->edit, parent), schema, NULL, 0, &node);
	return node;
}

/* --- musts and leafrefs ----------------------------------------------------------------------- */

/* What a user would call the node by: its value, or the key of the entry that it is, or is part of. */
static const char *value_of(const struct edit *edit, const struct lyd_node *node)
{
	for (; node; node = edit_parent(edit, node)) {
		if (node->schema->nodetype & LYD_NODE_TERM)
			return lyd_get_value(node);
		if (node->schema->nodetype == LYS_LIST && lyd_child(node) &&
			lysc_is_key(lyd_child(node)->schema))
			return lyd_get_value(lyd_child(node));
	}
	return NULL;
}

static int check_must(const struct edit *edit, const struct check *check, struct err *err)
{
	const struct lysc_must *must = check->constraint->must;
	const struct lyd_node *node = check->node;
	bool is_term = node->schema->nodetype & LYD_NODE_TERM;
	_cleanup_free_ char *path = NULL;
	const char *value;
	bool holds = false;
	int r = when_evaluate(check->constraint, node, &holds, err);

	if (r < 0 || holds)
		return r;
	path = path_of(node);
	value = value_of(edit, is_term || !check->cause ? node : check->cause);
	if (must->emsg)
		err_tagged(err, ERR_TAG_OPERATION_FAILED, path, "%s%s%s%s", value ? "\"" : "",
			value ? value : "", value ? "\": " : "", must->emsg);
	else
		err_tagged(err, ERR_TAG_OPERATION_FAILED, path, "%s%s%s must satisfy: %s",
			node->schema->name, value ? " " : "", value ? value : "",
			lyxp_get_expr(must->cond));
	err_app_tag(err, must->eapptag ? must->eapptag : "must-violation");
	return -EINVAL;
}

static int check_leafref(const struct check *check, struct err *err)
{
	const struct lyd_node *node = check->node;
	const struct lysc_type *type = ((const struct lysc_node_leaf *)node->schema)->type;
	const char *value = lyd_get_value(node);
	_cleanup_free_ char *path = NULL;
	LY_ERR rc = lyd_value_validate(NULL, node->schema, value, strlen(value), node, NULL, NULL);

	if (rc == LY_SUCCESS)
		return 0;
	path = path_of(node);
	if (type->basetype == LY_TYPE_LEAFREF)
		err_tagged(err, ERR_TAG_DATA_MISSING, path,
			"\"%s\" does not exist: %s must name one of %s", value, node->schema->name,
			lyxp_get_expr(((const struct lysc_type_leafref *)type)->path));
	else
		err_tagged(err, ERR_TAG_INVALID_VALUE, path, "\"%s\" is not a valid value of %s",
			value, node->schema->name);
	err_app_tag(err, "instance-required");
	if (err)
		err->code = -EINVAL;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return -EINVAL;
}

static struct verdict verdict_of(const struct validation *v, const struct check *check)
{
	struct verdict verdict = { check->constraint, lyd_get_value(check->node), NULL };
	struct lyd_node *node = check->node;

	for (int i = 0; i < check->constraint->same_levels && node; i++)
		node = edit_parent(v->edit, node);
	if (check->constraint->same_levels)
		verdict.ancestor = node;
	return verdict;
}

/* By now nothing moves any more: what was found holds to the end. */
static int run_check(struct validation *v, const struct check *check, struct err *err)
{
	bool is_shared = check->constraint->same_levels >= 0;
	struct verdict verdict, *kept;
	int r;

	if (edit_is_dead(v->edit, check->node))
		return 0;
	if (is_shared) {
		verdict = verdict_of(v, check);
		if (map_get(&v->verdicts, &verdict, sizeof(verdict)))
			return 0;
	}
	r = check->constraint->kind == CONSTRAINT_MUST ? check_must(v->edit, check, err)
						       : check_leafref(check, err);
	if (r == 0 && is_shared) {
		kept = arena_alloc(v->arena, sizeof(*kept));
		*kept = verdict;
		map_put(&v->verdicts, kept, sizeof(*kept), kept);
	}
	return r;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* One piece of work; 0 when there is none left. */
static int work(struct validation *v, struct err *err)
{
	int r;

	if (v->read < v->edit->count) {
		struct edit_event event = v->edit->events[v->read];

		read_event(v);
		r = v->walk_at ? 0 : settle_top(v, &event, err);
		return r < 0 ? r : 1;
	}
	if (v->settle_all) {
		v->settle_all = false;
		return settle_all(v, err);
	}
	if (v->settle.done < v->settle.count) {
		r = settle_parent(v, take_parent(&v->settle), err);
		return r < 0 ? r : 1;
	}
	if (v->whens.done < v->whens.count) {
		struct check *check = take_check(&v->whens);

		r = edit_is_dead(v->edit, check->node) ? 0 : when_check(v, check, err);
		return r < 0 ? r : 1;
	}
	if (v->is_settling)
		return 0;
	if (v->denied.done < v->denied.count) {
		r = when_check_denied(v, take_check(&v->denied), err);
		return r < 0 ? r : 1;
	}
	if (v->count.done < v->count.count) {
		struct lyd_node *parent = take_parent(&v->count);

		r = edit_is_dead(v->edit, parent) ? 0
						  : counts_check(v, parent, parent->schema, err);
		return r < 0 ? r : 1;
	}
	/* Before the musts: one that follows a leafref to nowhere would fail in libyang's words. */
	if (v->leafrefs.done < v->leafrefs.count) {
		r = run_check(v, take_check(&v->leafrefs), err);
		return r < 0 ? r : 1;
	}
	if (v->musts.done < v->musts.count) {
		r = run_check(v, take_check(&v->musts), err);
		return r < 0 ? r : 1;
	}
	return 0;
}

int validation_step(struct validation *v, struct err *err)
{
	for (unsigned n = 1;; n++) {
		int r = work(v, err);

		if (r <= 0)
			return r;
		if (n % STEP_MAX == 0 && loop_should_yield())
			return 1;
	}
}

static void checks_done(struct checks *checks)
{
	map_done(&checks->seen);
	free(checks->items);
}

void validation_free(struct validation *v)
{
	if (!v)
		return;
	checks_done(&v->leafrefs);
	checks_done(&v->musts);
	checks_done(&v->whens);
	checks_done(&v->denied);
	map_done(&v->verdicts);
	map_done(&v->settle.seen);
	free(v->settle.items);
	map_done(&v->count.seen);
	free(v->count.items);
	arena_free(v->arena);
	free(v);
}
