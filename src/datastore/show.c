/*
 * The table of points is a tree like the schema's, of only those nodes that matter to operational data.
 * Units nest: an interface is one, and so is each VLAN of its bridge; each is made when a read comes to
 * it, the outer one first.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/str.h"

#include "capabilities.h"
#include "library.h"
#include "schema.h"
#include "show.h"

#define PROVIDERS_MAX 16
#define SOURCES_MAX   64 /* of one point: bits of show.asked */

struct show_source {
	const struct feature *feature; /* NULL: provide */
	int (*provide)(struct lyd_node *container, struct err *err);
	const struct lysc_node **roots; /* of this feature in these units */
	size_t root_count;
	const struct lysc_node **except; /* ends with NULL */
	size_t except_count;
};

static struct {
	struct show_point *root; /* NULL: not made yet */
	size_t point_count;
	struct {
		const char *path;
		int (*show)(struct lyd_node *container, struct err *err);
	} providers[PROVIDERS_MAX];
	size_t provider_count;
} table;

/* --- the table -------------------------------------------------------------------------------- */

static void free_point(struct show_point *point)
{
	if (!point)
		return;
	for (size_t i = 0; i < point->below_count; i++)
		free_point(point->below[i]);
	for (size_t i = 0; i < point->source_count; i++) {
		free(point->sources[i].roots);
		free(point->sources[i].except);
	}
	free(point->sources);
	free(point->below);
	free(point);
}

void show_done(void)
{
	free_point(table.root);
	table.root = NULL;
	table.point_count = 0;
}

void ds_set_state_provider(
	const char *schema_path, int (*show)(struct lyd_node *container, struct err *err))
{
	size_t i = 0;

	while (i < table.provider_count && !str_equal(table.providers[i].path, schema_path))
		i++;
	assert(i < PROVIDERS_MAX);
	table.providers[i].path = schema_path;
	table.providers[i].show = show;
	if (i == table.provider_count)
		table.provider_count++;
	show_done();
}

const struct show_point *show_below(const struct show_point *point, const struct lysc_node *schema)
{
	for (size_t i = 0; point && i < point->below_count; i++) {
		if (point->below[i]->schema == schema)
			return point->below[i];
	}
	return NULL;
}

static struct show_point *new_point(const struct lysc_node *schema)
{
	struct show_point *point = XNEW(struct show_point);

	point->schema = schema;
	point->index = table.point_count++;
	return point;
}

static struct show_point *find_or_make(const struct lysc_node *schema)
{
	struct show_point *parent, *point;

	if (!schema)
		return table.root;
	parent = find_or_make(schema_data_parent(schema));
	point = (struct show_point *)show_below(parent, schema);
	if (point)
		return point;
	point = new_point(schema);
	point->is_fixed =
		!parent->schema || (parent->is_fixed && parent->schema->nodetype == LYS_CONTAINER);
	parent->below =
		xreallocarray(parent->below, parent->below_count + 1, sizeof(*parent->below));
	parent->below[parent->below_count++] = point;
	point->parent = parent;
	for (; schema->nodetype == LYS_LIST && parent; parent = parent->parent)
		parent->has_entries_below = true;
	return point;
}

static void append(const struct lysc_node ***list, size_t *count, const struct lysc_node *schema)
{
	*list = xreallocarray(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = schema;
	(*list)[*count] = NULL;
}

static struct show_source *source_of(struct show_point *point, const struct feature *feature)
{
	struct show_source *source;

	for (size_t i = 0; feature && i < point->source_count; i++) {
		if (point->sources[i].feature == feature)
			return &point->sources[i];
	}
	assert(point->source_count < SOURCES_MAX);
	point->sources =
		xreallocarray(point->sources, point->source_count + 1, sizeof(*point->sources));
	source = &point->sources[point->source_count++];
	*source = (struct show_source){ .feature = feature };
	return source;
}

static void add_root(const struct feature *feature, const char *path)
{
	const struct lysc_node *root = path_schema(path);
	const struct lysc_node *unit = root ? schema_unit(root) : NULL;
	struct show_source *source;

	if (!unit || !(unit->nodetype & (LYS_CONTAINER | LYS_LIST)))
		return;
	source = source_of(find_or_make(unit), feature);
	append(&source->roots, &source->root_count, root);
	if (source->except)
		return;
	for (const char *const *except = feature->except; except && *except; except++) {
		const struct lysc_node *schema = path_schema(*except);

		if (schema)
			append(&source->except, &source->except_count, schema);
	}
}

static void add_supply(const struct feature_supply *supply)
{
	const struct lysc_node *schema = path_schema(supply->path);

	if (schema && schema->nodetype == LYS_LIST)
		find_or_make(schema)->supply = supply;
}

static void add_provider(const char *path, int (*show)(struct lyd_node *container, struct err *err))
{
	const struct lysc_node *schema = path_schema(path);
	struct show_source *source;

	if (!schema || schema->nodetype != LYS_CONTAINER)
		return;
	source = source_of(find_or_make(schema), NULL);
	source->provide = show;
	schema_of(schema)->is_silent = true;
	append(&source->roots, &source->root_count, schema);
}

const struct show_point *show_root(void)
{
	if (table.root)
		return table.root;
	table.root = new_point(NULL);
	for (const struct feature *const *at = feature_table; *at; at++) {
		const struct feature *feature = *at;

		if (!feature->show && !feature->units)
			continue;
		for (const char *const *path = feature->roots; path && *path; path++)
			add_root(feature, *path);
		for (const char *const *path = feature->state_roots; path && *path; path++)
			add_root(feature, *path);
		for (const struct feature_supply *supply = feature->supplies;
			supply && supply->path; supply++)
			add_supply(supply);
	}
	add_provider("/ietf-yang-library:yang-library", library_show);
	add_provider("/ietf-yang-library:modules-state", library_show);
	add_provider("/ietf-system-capabilities:system-capabilities", capabilities_show);
	for (size_t i = 0; i < table.provider_count; i++)
		add_provider(table.providers[i].path, table.providers[i].show);
	return table.root;
}

/* --- one read --------------------------------------------------------------------------------- */

void show_start(
	struct show *show, struct ds_filter *filter, const struct access *access, bool can_refresh)
{
	(void)show_root();
	*show = (struct show){ .filter = filter, .access = access, .can_refresh = can_refresh };
	show->asked = xcalloc(table.point_count, sizeof(*show->asked));
	show->is_known = xcalloc(table.point_count, sizeof(*show->is_known));
}

void show_end(struct show *show)
{
	free(show->asked);
	free(show->is_known);
	free(show->refreshed);
	*show = (struct show){ 0 };
}

static bool is_touched(
	struct show *show, const struct show_point *point, const struct show_source *source)
{
	for (size_t i = 0; i < source->root_count; i++) {
		if (!show->filter ||
			filter_touches(
				show->filter, source->roots[i], point->schema, source->except))
			return true;
	}
	return false;
}

static uint64_t asked(struct show *show, const struct show_point *point)
{
	uint64_t bits = 0;

	if (show->is_known[point->index])
		return show->asked[point->index];
	for (size_t i = 0; i < point->source_count; i++) {
		const struct show_source *source = &point->sources[i];

		if ((source->provide || source->feature->show) && is_touched(show, point, source))
			bits |= (uint64_t)1 << i;
	}
	show->is_known[point->index] = true;
	show->asked[point->index] = bits;
	return bits;
}

bool show_is_asked(struct show *show, const struct show_point *point)
{
	return asked(show, point) != 0;
}

/* False: there is nothing to be done. */
static bool refresh_kind(struct show *show, const struct object_kind *kind, const char *key)
{
	_cleanup_err_ struct err err = { 0 };

	for (size_t i = 0; i < show->refreshed_count; i++) {
		if (show->refreshed[i] == kind)
			return false;
	}
	if (!kind->refresh)
		return false;
	if (kind->refresh(key, &err) < 0)
		log_debug("show", "%s %s: %s", kind->name, key ? key : "(all)", err_text(&err));
	if (key)
		return true;
	show->refreshed =
		xreallocarray(show->refreshed, show->refreshed_count + 1, sizeof(*show->refreshed));
	show->refreshed[show->refreshed_count++] = kind;
	return true;
}

/* Whether one of the sources before has it refreshed, too. */
static bool is_done(const struct show_point *point, uint64_t bits, size_t before,
	const struct object_kind *kind)
{
	for (size_t i = 0; i < before; i++) {
		const struct feature *feature = point->sources[i].feature;
		const struct object_kind *const *at =
			feature && (bits & (uint64_t)1 << i) ? feature->refreshes : NULL;

		for (; at && *at; at++) {
			if (*at == kind)
				return true;
		}
	}
	return false;
}

void show_refresh(struct show *show, const struct show_point *point, const char *key)
{
	uint64_t bits = asked(show, point);

	for (size_t i = 0; show->can_refresh && i < point->source_count; i++) {
		const struct feature *feature = point->sources[i].feature;

		if (!feature || !(bits & (uint64_t)1 << i))
			continue;
		for (const struct object_kind *const *kind = feature->refreshes; kind && *kind;
			kind++) {
			if (!is_done(point, bits, i, *kind))
				(void)refresh_kind(show, *kind, key);
		}
	}
}

bool show_refresh_next(struct show *show, const struct show_point *point)
{
	uint64_t bits = asked(show, point);

	for (size_t i = 0; show->can_refresh && i < point->source_count; i++) {
		const struct feature *feature = point->sources[i].feature;
		const struct object_kind *const *kind =
			feature && (bits & (uint64_t)1 << i) ? feature->refreshes : NULL;

		for (; kind && *kind; kind++) {
			if (refresh_kind(show, *kind, NULL))
				return true;
		}
	}
	return false;
}

void show_refresh_all(struct show *show)
{
	for (const struct feature *const *at = feature_table; *at; at++) {
		const struct object_kind *const *kind = (*at)->refreshes;

		for (; kind && *kind; kind++)
			(void)refresh_kind(show, *kind, NULL);
	}
}

void show_refresh_asked(struct show *show, const struct show_point *point)
{
	show_refresh(show, point, NULL);
	for (size_t i = 0; i < point->below_count; i++)
		show_refresh_asked(show, point->below[i]);
}

/* --- units ------------------------------------------------------------------------------------ */

void show_units(const struct show_point *point, void (*add)(void *arg, const char *key), void *arg)
{
	for (size_t i = 0; i < point->source_count; i++) {
		const struct show_source *source = &point->sources[i];

		if (source->provide)
			add(arg, NULL);
		else if (source->feature->units)
			source->feature->units(have_all(), point->schema, add, arg);
	}
}

#define COPY_FLAGS LYD_DUP_WITH_FLAGS

static struct lyd_node *copy_one(
	const struct lyd_node *node, struct lyd_node *parent, uint32_t options)
{
	struct lyd_node *copy = NULL;

	if (lyd_dup_single(node, (struct lyd_node_inner *)parent, options | COPY_FLAGS, &copy) !=
		LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return copy;
}

static void copy_children(const struct show_point *point, const struct lyd_node *from,
	struct lyd_node *to, bool with_lists);

static void copy_child(const struct show_point *point, const struct lyd_node *child,
	struct lyd_node *to, bool with_lists)
{
	bool is_whole = with_lists && !(point && point->has_entries_below);
	struct lyd_node *copy;

	if (child->schema->nodetype != LYS_CONTAINER || is_whole) {
		(void)copy_one(child, to, LYD_DUP_RECURSIVE);
		return;
	}
	copy = copy_one(child, to, 0);
	if (copy)
		copy_children(point, child, copy, with_lists);
}

/*
 * Without entries that are to be taken from the configuration one by one: they are not even passed by,
 * children are found by their schema.
 */
static void copy_children(const struct show_point *point, const struct lyd_node *from,
	struct lyd_node *to, bool with_lists)
{
	const struct lysc_node *schema = NULL;

	if (!lyd_child(from))
		return;
	while ((schema = lys_getnext(schema, from->schema, NULL, 0))) {
		const struct show_point *below = show_below(point, schema);
		struct lyd_node *child = NULL;

		if (!(schema->nodetype & FILTER_NODES) || schema->flags & LYS_CONFIG_R ||
			lysc_is_key(schema) ||
			(schema->nodetype == LYS_LIST && (below || !with_lists)))
			continue;
		(void)lyd_find_sibling_val(lyd_child(from), schema, NULL, 0, &child);
		for (; child && child->schema == schema; child = child->next)
			copy_child(below, child, to, with_lists);
	}
}

struct lyd_node *show_copy(
	const struct show_point *point, const struct lyd_node *node, bool with_lists)
{
	struct lyd_node *copy;

	if (with_lists && !point->has_entries_below)
		return copy_one(node, NULL, LYD_DUP_WITH_PARENTS | LYD_DUP_RECURSIVE);
	copy = copy_one(node, NULL, LYD_DUP_WITH_PARENTS);
	if (copy)
		copy_children(point, node, copy, with_lists);
	return copy;
}

void show_complete(const struct lyd_node *config, struct lyd_node *node)
{
	const struct lyd_node *child;

	LY_LIST_FOR (lyd_child(config), child) {
		struct lyd_node *match = NULL;

		if (lyd_child(node))
			(void)lyd_find_sibling_first(lyd_child(node), child, &match);
		if (!match)
			(void)copy_one(child, node, LYD_DUP_RECURSIVE);
		else if (child->schema->nodetype & LYD_NODE_INNER)
			show_complete(child, match);
	}
}

static const struct access *reader; /* while a provider works for him */

bool ds_reader_sees(const char *path)
{
	return access_sees(reader, path);
}

void show_unit(struct show *show, const struct show_point *point, const struct lyd_node *config,
	struct lyd_node *node)
{
	_cleanup_free_ char *path = path_of(node);
	struct unit unit = { .path = path, .schema = point->schema, .node = config };
	uint64_t bits = asked(show, point);

	for (size_t i = 0; i < point->source_count; i++) {
		const struct show_source *source = &point->sources[i];
		_cleanup_err_ struct err err = { 0 };
		int r;

		if (!(bits & (uint64_t)1 << i))
			continue;
		reader = show->access;
		r = source->provide ? source->provide(node, &err)
				    : source->feature->show(&unit, have_all(), node, &err);
		reader = NULL;
		/* The rest of what was asked is still worth having. */
		if (r < 0)
			log_warning("show", "%s is incomplete, %s: %s", path,
				source->feature ? source->feature->name : "server", err_text(&err));
	}
}
