/*
 * Joins the feature table with the schema: ownership, units and reads of every schema node. A feature
 * root names a schema path; the last list on it (or, without one, its last container) makes the units.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "constraints.h"
#include "schema.h"

static struct {
	struct snode **nodes;
	size_t count, room;
	struct map actions; /* const struct lysc_node * → const struct feature_action * */
} table;

const struct lysc_node *schema_data_parent(const struct lysc_node *schema)
{
	for (schema = schema->parent; schema; schema = schema->parent) {
		if (!(schema->nodetype & (LYS_CHOICE | LYS_CASE)))
			return schema;
	}
	return NULL;
}

bool schema_must_stay(const struct lysc_node *schema)
{
	const struct lysc_node *end = schema_data_parent(schema);

	if (lysc_is_key(schema))
		return true;
	for (; schema != end; schema = schema->parent) {
		if (schema->flags & LYS_MAND_TRUE)
			return true;
	}
	return false;
}

const struct feature_action *schema_action(const struct lysc_node *schema)
{
	return map_get(&table.actions, &schema, sizeof(schema));
}

int schema_add_actions(const struct feature_action *actions, struct err *err)
{
	for (; actions && actions->path; actions++) {
		const struct lysc_node *schema = path_schema(actions->path);

		if (!schema)
			return err_set(err, -EINVAL, actions->path, "no such action");
		map_put(&table.actions, xmemdup(&schema, sizeof(schema)), sizeof(schema),
			(void *)actions);
	}
	return 0;
}

static LY_ERR make_node(struct lysc_node *schema, void *arg, ly_bool *skip)
{
	struct snode *snode;

	if (schema->nodetype & (LYS_RPC | LYS_ACTION | LYS_NOTIF)) {
		*skip = 1;
		return LY_SUCCESS;
	}
	snode = XNEW(struct snode);
	snode->schema = schema;
	schema->priv = snode;
	ARRAY_GROW(table.nodes, table.count, table.room);
	table.nodes[table.count++] = snode;
	return LY_SUCCESS;
}

static bool add_once(const void ***array, size_t *count, const void *item)
{
	for (size_t i = 0; i < *count; i++) {
		if ((*array)[i] == item)
			return false;
	}
	*array = xreallocarray(*array, *count + 1, sizeof(**array));
	(*array)[(*count)++] = item;
	return true;
}

const struct lysc_node *schema_unit(const struct lysc_node *root)
{
	const struct lysc_node *node;

	for (node = root; node; node = schema_data_parent(node)) {
		if (node->nodetype == LYS_LIST)
			return node;
	}
	for (node = root; node; node = schema_data_parent(node)) {
		if (node->nodetype == LYS_CONTAINER)
			return node;
	}
	return root;
}

struct mark {
	const struct feature *feature;
	const struct lysc_node *unit;
	const struct feature_reads *reads;
	const struct lysc_node **except;
	size_t except_count;
	bool owned;
};

static LY_ERR mark_node(struct lysc_node *schema, void *arg, ly_bool *skip)
{
	struct mark *mark = arg;
	struct snode *snode = schema->priv;

	if (!snode) {
		*skip = 1;
		return LY_SUCCESS;
	}
	if (mark->reads) {
		add_once((const void ***)&snode->reads, &snode->reads_count, mark->reads);
		return LY_SUCCESS;
	}
	for (size_t i = 0; i < mark->except_count; i++) {
		if (mark->except[i] == schema) {
			*skip = 1;
			return LY_SUCCESS;
		}
	}
	snode->is_owned |= mark->owned;
	add_once((const void ***)&snode->unit_schemas, &snode->unit_count, mark->unit);
	return LY_SUCCESS;
}

/* What @feature leaves to others below its roots. */
static int find_except(const struct feature *feature, struct mark *mark, struct err *err)
{
	size_t room = 0;

	for (const char *const *path = feature->except; path && *path; path++) {
		const struct lysc_node *schema = path_schema(*path);

		if (!schema)
			return err_set(err, -EINVAL, *path, "feature %s excepts an unknown path",
				feature->name);
		ARRAY_GROW(mark->except, mark->except_count, room);
		mark->except[mark->except_count++] = schema;
	}
	return 0;
}

static int mark_root(const struct mark *own, const char *path, bool owned, struct err *err)
{
	const struct lysc_node *root = path_schema(path), *parent;
	const struct feature *feature = own->feature;
	struct mark mark = *own;
	struct snode *unit;

	if (!root)
		return err_set(
			err, -EINVAL, path, "feature %s: no such schema path", feature->name);
	mark.owned = owned;
	mark.unit = schema_unit(root);
	unit = schema_of(mark.unit);
	add_once((const void ***)&unit->features, &unit->feature_count, feature);
	lysc_tree_dfs_full(root, mark_node, &mark);
	/* The way down to what is owned may be made too: containers and entries, their keys. */
	for (parent = schema_data_parent(root); owned && parent;
		parent = schema_data_parent(parent)) {
		const struct lysc_node *key;

		schema_of(parent)->is_owned = true;
		if (parent->nodetype != LYS_LIST)
			continue;
		for (key = lysc_node_child(parent); key && lysc_is_key(key); key = key->next)
			schema_of(key)->is_owned = true;
	}
	/* The unit's entry itself appearing or going concerns the feature. */
	add_once((const void ***)&unit->unit_schemas, &unit->unit_count, mark.unit);
	return 0;
}

static int mark_silent(const struct feature *feature, const char *path, struct err *err)
{
	const struct lysc_node *schema = path_schema(path);

	if (!schema)
		return err_set(err, -EINVAL, path, "feature %s is silent on an unknown path",
			feature->name);
	schema_of(schema)->is_silent = true;
	return 0;
}

static int mark_vital(const struct feature *feature, const char *path, struct err *err)
{
	const struct lysc_node *schema = path_schema(path);

	if (!schema)
		return err_set(err, -EINVAL, path, "feature %s cannot do without an unknown path",
			feature->name);
	schema_of(schema)->is_vital = true;
	return 0;
}

static int mark_feature(const struct feature *feature, struct err *err)
{
	struct mark own = { .feature = feature };
	int r = find_except(feature, &own, err);

	for (const char *const *path = feature->silent; r == 0 && path && *path; path++)
		r = mark_silent(feature, *path, err);
	for (const char *const *path = feature->vital; r == 0 && path && *path; path++)
		r = mark_vital(feature, *path, err);
	for (const char *const *root = feature->roots; r == 0 && root && *root; root++)
		r = mark_root(&own, *root, true, err);
	for (const char *const *root = feature->state_roots; r == 0 && root && *root; root++)
		r = mark_root(&own, *root, false, err);
	free(own.except);
	for (const struct feature_reads *reads = feature->reads; r == 0 && reads && reads->path;
		reads++) {
		const struct lysc_node *schema = path_schema(reads->path);
		struct mark mark = { .feature = feature, .reads = reads };

		if (!schema)
			return err_set(err, -EINVAL, reads->path,
				"feature %s reads an unknown path", feature->name);
		lysc_tree_dfs_full(schema, mark_node, &mark);
	}
	return r == 0 ? schema_add_actions(feature->actions, err) : r;
}

int schema_init(struct err *err)
{
	const struct lys_module *module;
	uint32_t at = 0;
	int r;

	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		if (module->implemented)
			lysc_module_dfs_full(module, make_node, NULL);
	}
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		r = mark_feature(*feature, err);
		if (r < 0)
			return r;
	}
	return constraints_init(table.nodes, table.count, err);
}

void schema_done(void)
{
	constraints_done();
	for (size_t i = 0; i < table.count; i++) {
		struct snode *snode = table.nodes[i];

		((struct lysc_node *)snode->schema)->priv = NULL;
		free(snode->unit_schemas);
		free(snode->features);
		free(snode->reads);
		free(snode->readers);
		free(snode->own);
		free(snode->whens);
		map_done(&snode->instances);
		free(snode);
	}
	free(table.nodes);
	for (size_t i = 0; i < table.actions.room; i++) {
		if (table.actions.entries[i].value)
			free((void *)table.actions.entries[i].key);
	}
	map_done(&table.actions);
	memset(&table, 0, sizeof(table));
}
