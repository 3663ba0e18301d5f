/*
 * Incremental validation (RFC 7950 section 8.3.3): the record of an edit is read from its start; each
 * change asks the index which constraints it can break and for which instances.
 *
 * Order: defaults of the parents touched, then the whens that read what changed, until nothing moves
 * any more (what these make or remove joins the record and is read in its turn); then mandatory nodes
 * and counts of the parents touched; then musts and leafrefs, each pair of constraint and instance once.
 *
 * The data index lives with running: instances of the nodes that some constraint must see as a whole,
 * and leafref nodes by value. lyd_node.priv of a leafref node is its place in its bucket.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libyang/plugins_types.h>

#include "ashlar/list.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "constraints.h"

#define STEP_MAX 64 /* pieces of work between two looks at the clock */

/* --- data index ------------------------------------------------------------------------------- */

struct bucket {
	struct list nodes; /* struct place */
	size_t count;
	size_t key_size;
	char key[]; /* schema pointer, then the value */
};

struct place {
	struct list link;
	struct lyd_node *node;
	struct bucket *bucket;
};

static struct map buckets;

static size_t bucket_key(char *key, size_t room, const struct lysc_node *schema, const char *value)
{
	size_t length = strlen(value);

	if (sizeof(schema) + length > room)
		length = room -
			sizeof(schema); /* longer ones share a bucket: over-reaching is safe */
	memcpy(key, &schema, sizeof(schema));
	memcpy(key + sizeof(schema), value, length);
	return sizeof(schema) + length;
}

static struct bucket *find_bucket(const struct lysc_node *schema, const char *value)
{
	char key[512];

	return map_get(&buckets, key, bucket_key(key, sizeof(key), schema, value));
}

static void enter_bucket(struct lyd_node *node, const char *value)
{
	char key[512];
	size_t size = bucket_key(key, sizeof(key), node->schema, value);
	struct bucket *bucket = map_get(&buckets, key, size);
	struct place *place = XNEW(struct place);

	if (!bucket) {
		bucket = xcalloc(1, sizeof(*bucket) + size);
		memcpy(bucket->key, key, size);
		bucket->key_size = size;
		list_init(&bucket->nodes);
		map_put(&buckets, bucket->key, size, bucket);
	}
	place->node = node;
	place->bucket = bucket;
	bucket->count++;
	list_append(&bucket->nodes, &place->link);
	node->priv = place;
}

static void leave_bucket(struct lyd_node *node)
{
	struct place *place = node->priv;

	if (!place)
		return;
	node->priv = NULL;
	list_remove(&place->link);
	if (--place->bucket->count == 0) {
		map_del(&buckets, place->bucket->key, place->bucket->key_size);
		free(place->bucket);
	}
	free(place);
}

static void track(struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	if (snode->is_leafref_source && !node->priv)
		enter_bucket(node, lyd_get_value(node));
	if (snode->tracks_instances && !map_get(&snode->instances, &node, sizeof(node))) {
		struct lyd_node **key = xmemdup(&node, sizeof(node));

		map_put(&snode->instances, key, sizeof(node), key);
	}
}

static void retrack(struct lyd_node *node)
{
	if (!node->priv || !schema_of_node(node)->is_leafref_source)
		return;
	leave_bucket(node);
	enter_bucket(node, lyd_get_value(node));
}

static void untrack(struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	if (snode->is_leafref_source)
		leave_bucket(node);
	if (snode->tracks_instances)
		free(map_del(&snode->instances, &node, sizeof(node)));
}

static void track_subtree(struct lyd_node *node)
{
	struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (node, elem) {
		track(elem);
		LYD_TREE_DFS_END(node, elem);
	}
}

static void untrack_subtree(struct lyd_node *node)
{
	struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (node, elem) {
		untrack(elem);
		LYD_TREE_DFS_END(node, elem);
	}
}

static const struct edit_observer index_observer = {
	.leaves = untrack_subtree,
	.returns = track_subtree,
	.changes = retrack,
};

void validation_forget_tree(struct lyd_node *tree)
{
	LY_LIST_FOR (tree, tree)
		untrack_subtree(tree);
}

/* --- the work of one validation ---------------------------------------------------------------- */

struct check {
	const struct constraint *constraint;
	struct lyd_node *node;
};

struct checks {
	struct map seen; /* by the bytes of struct check */
	struct check **items;
	size_t count, room, done;
};

struct parents {
	struct map seen; /* node address */
	struct lyd_node ***items;
	size_t count, room, done;
};

struct validation {
	struct edit *edit;
	struct arena *arena;
	size_t read; /* events of the record read so far */
	struct checks leafrefs, musts, whens, denied;
	struct parents settle, count;
	bool settle_all; /* top-level defaults are to be made */
	/* An event whose subtree is being read. */
	struct lyd_node *walk_root, *walk_at;
};

struct validation *validation_new(struct edit *edit, bool is_whole)
{
	struct validation *v = XNEW(struct validation);

	v->edit = edit;
	v->arena = arena_new();
	edit->observer = &index_observer;
	v->settle_all = is_whole;
	return v;
}

static void add_check(struct validation *v, struct checks *checks,
	const struct constraint *constraint, struct lyd_node *node)
{
	struct check key = { constraint, node }, *check;

	if (map_get(&checks->seen, &key, sizeof(key)))
		return;
	check = arena_alloc(v->arena, sizeof(*check));
	*check = key;
	map_put(&checks->seen, check, sizeof(*check), check);
	ARRAY_GROW(checks->items, checks->count, checks->room);
	checks->items[checks->count++] = check;
}

/* A when may have to be looked at again: it leaves the set as it is taken. */
static struct check *take_check(struct checks *checks)
{
	struct check *check = checks->items[checks->done++];

	map_del(&checks->seen, check, sizeof(*check));
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

	add_check(v, (struct checks *)((char *)v + queues[constraint->kind]), constraint, node);
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
	struct bucket *bucket = find_bucket(source, value);
	struct place *place;

	if (!bucket)
		return;
	LIST_FOREACH (place, &bucket->nodes, link)
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

/* @old: the former value of a changed or removed leaf. */
static void tell_readers(struct validation *v, struct lyd_node *node, const char *old)
{
	struct snode *snode = schema_of_node(node);

	for (size_t i = 0; i < snode->reader_count; i++) {
		const struct reader *reader = &snode->readers[i];
		struct lyd_node *entry = node;

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
}

static void check_own(struct validation *v, struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	for (size_t i = 0; i < snode->own_count; i++)
		add_instance(v, snode->own[i], node);
}

static void node_made(struct validation *v, struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	track(node);
	check_own(v, node);
	for (size_t i = 0; i < snode->when_count; i++)
		add_check(v, &v->whens, snode->whens[i], lyd_parent(node));
	if (snode->has_settled_children)
		add_parent(v, &v->settle, node);
	if (snode->has_counted_children)
		add_parent(v, &v->count, node);
	tell_readers(v, node, NULL);
}

static void node_removed(struct validation *v, struct lyd_node *node)
{
	bool is_term = node->schema->nodetype & LYD_NODE_TERM;

	untrack(node);
	tell_readers(v, node, is_term ? lyd_get_value(node) : NULL);
}

static void parent_touched(struct validation *v, struct lyd_node *parent)
{
	if (!parent)
		return;
	if (schema_of_node(parent)->has_settled_children)
		add_parent(v, &v->settle, parent);
	if (schema_of_node(parent)->has_counted_children)
		add_parent(v, &v->count, parent);
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
			parent_touched(
				v, event->kind == EDIT_MADE ? lyd_parent(node) : event->parent);
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
		retrack(node);
		check_own(v, node);
		tell_readers(v, node, event->old);
		break;
	case EDIT_MOVED:
		tell_readers(v, node, NULL);
		break;
	case EDIT_FLAGS:
		break;
	}
	v->read++;
}

/* --- whens ------------------------------------------------------------------------------------ */

static int evaluate(const struct constraint *constraint, const struct lyd_node *context,
	bool *ret_true, struct err *err)
{
	const struct lyd_node *leaf = NULL;
	ly_bool result = 0;

	if (constraint->ident) {
		(void)lyd_find_sibling_val(lyd_child(context), constraint->ident_leaf, NULL, 0,
			(struct lyd_node **)&leaf);
		if (!leaf) {
			*ret_true = false;
			return 0;
		}
		if (((const struct lyd_node_term *)leaf)->value.realtype->basetype ==
			LY_TYPE_IDENT) {
			const struct lysc_ident *ident =
				((const struct lyd_node_term *)leaf)->value.ident;

			*ret_true = ident == constraint->ident ||
				lyplg_type_identity_isderived(constraint->ident, ident) ==
					LY_SUCCESS;
			return 0;
		}
	}
	if (lyd_eval_xpath3(context, constraint->on->module, lyxp_get_expr(constraint->expr),
		    LY_VALUE_SCHEMA_RESOLVED, (void *)constraint->prefixes, NULL,
		    &result) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	*ret_true = result;
	return 0;
}

/* A when of a node of @parent, which may be absent. */
static int when_holds(struct validation *v, const struct constraint *constraint,
	struct lyd_node *parent, const struct lyd_node *node, bool *ret_true, struct err *err)
{
	struct lyd_node *opaque = NULL;
	int r;

	if (constraint->context != constraint->on)
		return evaluate(
			constraint, constraint->context ? parent : *v->edit->tree, ret_true, err);
	if (node)
		return evaluate(constraint, node, ret_true, err);
	/* The context is the absent node itself: libyang evaluates on an opaque stand-in too. */
	if (lyd_new_opaq(parent, yang_ctx(), constraint->on->name, NULL, NULL,
		    constraint->on->module->name, &opaque) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	r = evaluate(constraint, opaque, ret_true, err);
	lyd_free_tree(opaque);
	return r;
}

static int all_whens_hold(struct validation *v, const struct lysc_node *schema,
	struct lyd_node *parent, const struct lyd_node *node, bool *ret_true, struct err *err)
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

static struct lyd_node *first_instance(
	struct validation *v, const struct lyd_node *parent, const struct lysc_node *schema)
{
	struct lyd_node *node = NULL;

	if (!edit_children(v->edit, parent))
		return NULL;
	(void)lyd_find_sibling_val(edit_children(v->edit, parent), schema, NULL, 0, &node);
	return node;
}

static int check_when(struct validation *v, const struct check *check, struct err *err)
{
	const struct lysc_node *schema = check->constraint->on;
	struct lyd_node *node = first_instance(v, check->node, schema), *next;
	bool holds = false;
	int r;

	if (!node) {
		parent_touched(v, check->node);
		return 0;
	}
	r = all_whens_hold(v, schema, check->node, node, &holds, err);
	if (r < 0)
		return r;
	for (; node && node->schema == schema; node = next) {
		next = node->next;
		if (holds)
			edit_set_flags(v->edit, node, node->flags | LYD_WHEN_TRUE);
		else if (node->flags & (LYD_WHEN_TRUE | LYD_DEFAULT))
			edit_take_out(v->edit, node, true);
		else
			add_check(v, &v->denied, check->constraint, node);
	}
	return 0;
}

/* What a when refused may stand after all, once everything has settled. */
static int check_denied(struct validation *v, const struct check *check, struct err *err)
{
	const struct lysc_node *schema = check->constraint->on;
	_cleanup_free_ char *path = NULL;
	bool holds = false;
	int r;

	if (edit_is_dead(v->edit, check->node))
		return 0;
	r = all_whens_hold(v, schema, lyd_parent(check->node), check->node, &holds, err);
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

/* --- defaults --------------------------------------------------------------------------------- */

static int make_default(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err)
{
	const struct snode *snode = schema_of(schema);
	struct lyd_node *node = NULL;
	const char *value;
	bool holds = false;
	int r = all_whens_hold(v, schema, parent, NULL, &holds, err);

	if (r < 0 || !holds)
		return r;
	for (size_t i = 0; i == 0 || schema->nodetype == LYS_LEAFLIST; i++) {
		LY_ERR rc;

		value = constraints_default(schema, i);
		if (schema->nodetype != LYS_CONTAINER && !value)
			break;
		rc = schema->nodetype == LYS_CONTAINER
			? lyd_new_inner(parent, schema->module, schema->name, 0, &node)
			: lyd_new_term(parent, schema->module, schema->name, value, 0, &node);
		if (rc != LY_SUCCESS)
			return yang_err(err, -EINVAL);
		if (!parent) {
			if (*v->edit->tree)
				lyd_insert_sibling(*v->edit->tree, node, v->edit->tree);
			else
				*v->edit->tree = node;
		}
		node->flags = (node->flags & ~(uint32_t)LYD_NEW) | LYD_DEFAULT |
			(snode->when_count ? LYD_WHEN_TRUE : 0);
		edit_record_made(v->edit, node, true);
	}
	return 0;
}

static int settle_schema(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err);

enum case_state {
	CASE_ABSENT,
	CASE_DEFAULT, /* holds only defaults */
	CASE_EXPLICIT,
};

static enum case_state case_state(
	struct validation *v, struct lyd_node *parent, const struct lysc_node *holder)
{
	enum case_state state = CASE_ABSENT, inner;
	const struct lysc_node *child;

	LY_LIST_FOR (lysc_node_child(holder), child) {
		struct lyd_node *node;

		if (child->nodetype & (LYS_CHOICE | LYS_CASE)) {
			inner = case_state(v, parent, child);
		} else {
			node = first_instance(v, parent, child);
			inner = !node			      ? CASE_ABSENT
				: (node->flags & LYD_DEFAULT) ? CASE_DEFAULT
							      : CASE_EXPLICIT;
		}
		if (inner > state)
			state = inner;
	}
	return state;
}

static void clear_case(
	struct validation *v, struct lyd_node *parent, const struct lysc_node *holder)
{
	const struct lysc_node *child;

	LY_LIST_FOR (lysc_node_child(holder), child) {
		struct lyd_node *node;

		if (child->nodetype & (LYS_CHOICE | LYS_CASE)) {
			clear_case(v, parent, child);
			continue;
		}
		while ((node = first_instance(v, parent, child)))
			edit_take_out(v->edit, node, true);
	}
}

static int settle_choice(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *choice, struct err *err)
{
	const struct lysc_node *of, *chosen = NULL, *child;
	const struct lysc_node *dflt =
		(const struct lysc_node *)((const struct lysc_node_choice *)choice)->dflt;
	int r;

	LY_LIST_FOR (lysc_node_child(choice), of) {
		if (case_state(v, parent, of) == CASE_EXPLICIT)
			chosen = of;
	}
	if (!chosen)
		chosen = dflt;
	LY_LIST_FOR (lysc_node_child(choice), of) {
		if (of != chosen && case_state(v, parent, of) == CASE_DEFAULT)
			clear_case(v, parent, of);
	}
	LY_LIST_FOR (chosen ? lysc_node_child(chosen) : NULL, child) {
		r = settle_schema(v, parent, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int settle_schema(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *schema, struct err *err)
{
	if (!(schema->flags & LYS_CONFIG_W))
		return 0;
	switch (schema->nodetype) {
	case LYS_CHOICE:
		return settle_choice(v, parent, schema, err);
	case LYS_CONTAINER:
		if (schema->flags & LYS_PRESENCE)
			return 0;
		break;
	case LYS_LEAF:
	case LYS_LEAFLIST:
		if (!constraints_default(schema, 0))
			return 0;
		break;
	default:
		return 0;
	}
	return first_instance(v, parent, schema) ? 0 : make_default(v, parent, schema, err);
}

static int settle_parent(struct validation *v, struct lyd_node *parent, struct err *err)
{
	const struct lysc_node *child;
	int r;

	if (edit_is_dead(v->edit, parent))
		return 0;
	LY_LIST_FOR (lysc_node_child(parent->schema), child) {
		r = settle_schema(v, parent, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- mandatory, counts, unique ---------------------------------------------------------------- */

static int missing(struct err *err, const struct lyd_node *parent, const struct lysc_node *schema)
{
	_cleanup_free_ char *path = parent ? path_of(parent) : xstrdup("");
	_cleanup_free_ char *full = xasprintf("%s/%s:%s", path, schema->module->name, schema->name);

	if (schema->nodetype == LYS_CHOICE) {
		err_tagged(err, ERR_TAG_DATA_MISSING, path, "one choice of %s must be given",
			schema->name);
		err_app_tag(err, "missing-choice");
		err_add_info(err, "missing-choice", schema->name);
		return -EINVAL;
	}
	err_tagged(err, ERR_TAG_DATA_MISSING, full, "%s is mandatory and missing", schema->name);
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
	_cleanup_free_ char *path = NULL;
	uint32_t count = 0;
	bool holds = true;
	int r;

	if (min == 0 && max == UINT32_MAX &&
		!(is_list && ((const struct lysc_node_list *)schema)->uniques))
		return 0;
	first = first_instance(v, parent, schema);
	for (node = first; node && node->schema == schema; node = node->next)
		count++;
	if (count < min) {
		r = all_whens_hold(v, schema, parent, first, &holds, err);
		if (r < 0 || !holds)
			return r;
	}
	path = parent ? path_of(parent) : xstrdup("");
	if (count < min || count > max) {
		_cleanup_free_ char *full =
			xasprintf("%s/%s:%s", path, schema->module->name, schema->name);

		err_tagged(err, ERR_TAG_OPERATION_FAILED, full,
			"%u entries of %s; %s %u are allowed", count, schema->name,
			count < min ? "at least" : "at most", count < min ? min : max);
		err_app_tag(err, count < min ? "too-few-elements" : "too-many-elements");
		return -EINVAL;
	}
	return is_list && first ? check_unique(first, err) : 0;
}

static int check_children(struct validation *v, struct lyd_node *parent,
	const struct lysc_node *holder, struct err *err)
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
				case_state(v, parent, child) == CASE_ABSENT) {
				const struct lysc_node *any =
					lysc_node_child(lysc_node_child(child));

				r = any ? all_whens_hold(v, any, parent, NULL, &holds, err) : 0;
				if (r == 0 && any && holds)
					r = missing(err, parent, child);
			}
			LY_LIST_FOR (lysc_node_child(child), of) {
				if (r == 0 && case_state(v, parent, of) != CASE_ABSENT)
					r = check_children(v, parent, of, err);
			}
			break;
		case LYS_LEAF:
		case LYS_ANYDATA:
		case LYS_ANYXML:
			if (!(child->flags & LYS_MAND_TRUE) || first_instance(v, parent, child))
				break;
			r = all_whens_hold(v, child, parent, NULL, &holds, err);
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

/* --- musts and leafrefs ----------------------------------------------------------------------- */

static int check_must(const struct check *check, struct err *err)
{
	const struct lysc_must *must = check->constraint->must;
	const struct lyd_node *node = check->node;
	_cleanup_free_ char *path = NULL;
	const char *value;
	bool holds = false;
	int r = evaluate(check->constraint, node, &holds, err);

	if (r < 0 || holds)
		return r;
	path = path_of(node);
	value = (node->schema->nodetype & LYD_NODE_TERM) ? lyd_get_value(node) : NULL;
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
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return -EINVAL;
}

static int run_check(struct validation *v, const struct check *check, struct err *err)
{
	if (edit_is_dead(v->edit, check->node))
		return 0;
	return check->constraint->kind == CONSTRAINT_MUST ? check_must(check, err)
							  : check_leafref(check, err);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A top-level container without presence that was removed comes back empty. */
static int settle_top(struct validation *v, const struct edit_event *event, struct err *err)
{
	if (event->kind != EDIT_REMOVED || event->parent || !event->node->schema)
		return 0;
	return settle_schema(v, NULL, event->node->schema, err);
}

static int settle_all(struct validation *v, struct err *err)
{
	const struct lys_module *module;
	uint32_t at = 0;

	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		const struct lysc_node *schema;
		int r;

		if (!module->implemented || !module->compiled)
			continue;
		LY_LIST_FOR (module->compiled->data, schema) {
			r = settle_schema(v, NULL, schema, err);
			if (r < 0)
				return r;
		}
	}
	return 1;
}

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

		r = edit_is_dead(v->edit, check->node) ? 0 : check_when(v, check, err);
		return r < 0 ? r : 1;
	}
	if (v->denied.done < v->denied.count) {
		r = check_denied(v, take_check(&v->denied), err);
		return r < 0 ? r : 1;
	}
	if (v->count.done < v->count.count) {
		struct lyd_node *parent = take_parent(&v->count);

		r = edit_is_dead(v->edit, parent) ? 0
						  : check_children(v, parent, parent->schema, err);
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
	map_done(&v->settle.seen);
	free(v->settle.items);
	map_done(&v->count.seen);
	free(v->count.items);
	arena_free(v->arena);
	free(v);
}
