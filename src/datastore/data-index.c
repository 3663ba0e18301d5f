/* The data index lives with running; values are kept in buckets, one a leafref's schema node and value. */
#include <string.h>

#include "data-index.h"
#include "schema.h"

struct bucket {
	struct list nodes; /* struct data_index_place */
	size_t count;
	size_t key_size;
	char key[]; /* schema pointer, then the value */
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

struct list *data_index_holders(const struct lysc_node *schema, const char *value)
{
	char key[512];
	struct bucket *bucket = map_get(&buckets, key, bucket_key(key, sizeof(key), schema, value));

	return bucket ? &bucket->nodes : NULL;
}

static void enter_bucket(struct lyd_node *node, const char *value)
{
	char key[512];
	size_t size = bucket_key(key, sizeof(key), node->schema, value);
	struct bucket *bucket = map_get(&buckets, key, size);
	struct data_index_place *place = XNEW(struct data_index_place);

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
	struct data_index_place *place = node->priv;

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

void data_index_enter(struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	if (snode->is_leafref_source && !node->priv)
		enter_bucket(node, lyd_get_value(node));
	if (snode->tracks_instances && !map_get(&snode->instances, &node, sizeof(node))) {
		struct lyd_node **key = xmemdup(&node, sizeof(node));

		map_put(&snode->instances, key, sizeof(node), key);
	}
}

void data_index_change(struct lyd_node *node)
{
	if (!node->priv || !schema_of_node(node)->is_leafref_source)
		return;
	leave_bucket(node);
	enter_bucket(node, lyd_get_value(node));
}

void data_index_leave(struct lyd_node *node)
{
	struct snode *snode = schema_of_node(node);

	if (snode->is_leafref_source)
		leave_bucket(node);
	if (snode->tracks_instances)
		free(map_del(&snode->instances, &node, sizeof(node)));
}

static void enter_subtree(struct lyd_node *node)
{
	struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (node, elem) {
		data_index_enter(elem);
		LYD_TREE_DFS_END(node, elem);
	}
}

static void leave_subtree(struct lyd_node *node)
{
	struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (node, elem) {
		data_index_leave(elem);
		LYD_TREE_DFS_END(node, elem);
	}
}

const struct edit_observer data_index_observer = {
	.leaves = leave_subtree,
	.returns = enter_subtree,
	.changes = data_index_change,
};

void data_index_forget(struct lyd_node *tree)
{
	LY_LIST_FOR (tree, tree)
		leave_subtree(tree);
}
