/* See push-index.h. A place goes when the last watcher at or below it does. */
#include <string.h>

#include "ashlar/str.h"

#include "push-index.h"
#include "schema.h"

#define ACTIVE_MAX 256 /* places that one step can lead to */

struct push_place {
	struct push_place *parent;
	/* What the parent's map knows it by: the schema node's address and, unless it stands for all
	 * instances, the key's text. */
	char *name;
	size_t name_size;
	bool is_keyed;
	struct map below;    /* name → struct push_place * */
	size_t keyed_below;  /* of those with a key */
	struct map watchers; /* by address → struct mark * */
};

static struct {
	struct push_place root;
	uint64_t search;
} tree;

/* --- places ----------------------------------------------------------------------------------- */

static char *make_name(const struct lysc_node *schema, const char *key, size_t *ret_size)
{
	size_t key_size = key ? strlen(key) + 1 : 0;
	char *name = xmalloc(sizeof(schema) + key_size);

	memcpy(name, &schema, sizeof(schema));
	if (key)
		memcpy(name + sizeof(schema), key, key_size);
	*ret_size = sizeof(schema) + key_size;
	return name;
}

static struct push_place *find_place(
	const struct push_place *parent, const struct lysc_node *schema, const char *key)
{
	_cleanup_free_ char *name = NULL;
	size_t size;

	if (!parent->below.count)
		return NULL;
	if (!key)
		return map_get(&parent->below, &schema, sizeof(schema));
	name = make_name(schema, key, &size);
	return map_get(&parent->below, name, size);
}

static struct push_place *make_place(
	struct push_place *parent, const struct lysc_node *schema, const char *key)
{
	struct push_place *place = find_place(parent, schema, key);

	if (place)
		return place;
	place = XNEW(struct push_place);
	place->parent = parent;
	place->is_keyed = key != NULL;
	place->name = make_name(schema, key, &place->name_size);
	map_put(&parent->below, place->name, place->name_size, place);
	parent->keyed_below += place->is_keyed;
	return place;
}

static void clear(struct map *map)
{
	map_done(map);
	*map = (struct map){ 0 };
}

static void drop_empty(struct push_place *place)
{
	while (place != &tree.root && !place->below.count && !place->watchers.count) {
		struct push_place *parent = place->parent;

		map_del(&parent->below, place->name, place->name_size);
		parent->keyed_below -= place->is_keyed;
		map_done(&place->below);
		map_done(&place->watchers);
		free(place->name);
		free(place);
		place = parent;
	}
	if (!place->below.count)
		clear(&place->below);
}

/* --- watching --------------------------------------------------------------------------------- */

/* The map's key is the watcher's address, which must live as long as the entry: kept in the entry. */
struct mark {
	struct push_watcher *watcher;
};

static void watch(struct push_watcher *watcher, struct push_place *place)
{
	struct mark *mark;

	if (map_get(&place->watchers, &watcher, sizeof(watcher)))
		return;
	mark = XNEW(struct mark);
	mark->watcher = watcher;
	map_put(&place->watchers, &mark->watcher, sizeof(mark->watcher), mark);
	ARRAY_GROW(watcher->places, watcher->count, watcher->room);
	watcher->places[watcher->count++] = place;
}

/* Tests and outputs of the element alike: what decides is watched as what is selected. */
static void add_children(struct push_watcher *watcher, struct ds_filter *filter,
	struct filter *element, const struct lysc_node *parent, struct push_place *place);

static void add_element(struct push_watcher *watcher, struct ds_filter *filter,
	struct filter *element, const struct lysc_node *schema, struct push_place *parent)
{
	char *key = NULL;
	enum filter_key found = filter_key(filter, element, schema, &key);
	struct push_place *place;

	if (found == FILTER_NOWHERE)
		return;
	place = make_place(parent, schema, found == FILTER_KEYED ? key : NULL);
	free(key);
	if (element->has_outputs)
		add_children(watcher, filter, element, schema, place);
	else
		watch(watcher, place);
}

static void add_children(struct push_watcher *watcher, struct ds_filter *filter,
	struct filter *element, const struct lysc_node *parent, struct push_place *place)
{
	for (struct filter *child = element->children; child; child = child->next) {
		const struct lysc_node *const *schemas;
		size_t count = filter_schemas(filter, child, parent, &schemas);

		for (size_t i = 0; i < count; i++) {
			if (!lysc_is_key(schemas[i]) || child->is_output)
				add_element(watcher, filter, child, schemas[i], place);
		}
	}
	drop_empty(place);
}

void push_index_add(struct push_watcher *watcher, struct ds_filter *filter)
{
	if (!filter)
		watch(watcher, &tree.root);
	else
		add_children(watcher, filter, filter->root, NULL, &tree.root);
}

static struct push_place *place_of(const struct lysc_node *schema)
{
	const struct lysc_node *parent = schema_data_parent(schema);

	return make_place(parent ? place_of(parent) : &tree.root, schema, NULL);
}

void push_index_add_schema(struct push_watcher *watcher, const struct lysc_node *schema)
{
	watch(watcher, place_of(schema));
}

void push_index_remove(struct push_watcher *watcher)
{
	for (size_t i = 0; i < watcher->count; i++) {
		struct push_place *place = watcher->places[i];

		free(map_del(&place->watchers, &watcher, sizeof(watcher)));
		if (!place->watchers.count)
			clear(&place->watchers);
		drop_empty(place);
	}
	free(watcher->places);
	*watcher = (struct push_watcher){ 0 };
}

bool push_index_is_empty(void)
{
	return !tree.root.below.count && !tree.root.watchers.count;
}

/* --- finding ---------------------------------------------------------------------------------- */

struct search {
	void (*found)(struct push_watcher *watcher, void *arg);
	void *arg;
	uint64_t number;
};

static void report(const struct search *search, const struct push_place *place)
{
	const struct mark *mark;
	size_t at = 0;

	while ((mark = map_next(&place->watchers, &at))) {
		if (mark->watcher->found == search->number)
			continue;
		mark->watcher->found = search->number;
		search->found(mark->watcher, search->arg);
	}
}

static void report_below(const struct search *search, const struct push_place *place)
{
	const struct push_place *below;
	size_t at = 0;

	report(search, place);
	while ((below = map_next(&place->below, &at)))
		report_below(search, below);
}

static size_t step_on(const struct search *search, struct push_place **active, size_t count,
	struct push_step *step)
{
	struct push_place *next[ACTIVE_MAX];
	size_t next_count = 0;

	for (size_t i = 0; i < count && next_count + 2 <= ACTIVE_MAX; i++) {
		struct push_place *place = find_place(active[i], step->schema, NULL);

		if (place)
			next[next_count++] = place;
		if (!active[i]->keyed_below || !step->key)
			continue;
		if (!step->text)
			step->text = (char *)step->key(step);
		place = step->text ? find_place(active[i], step->schema, step->text) : NULL;
		if (place)
			next[next_count++] = place;
	}
	for (size_t i = 0; i < next_count; i++)
		report(search, next[i]);
	memcpy(active, next, next_count * sizeof(*next));
	return next_count;
}

void push_index_find(struct push_step *steps, size_t count,
	void (*found)(struct push_watcher *watcher, void *arg), void *arg)
{
	struct push_place *active[ACTIVE_MAX] = { &tree.root };
	struct search search = { found, arg, ++tree.search };
	size_t active_count = 1, at;

	report(&search, &tree.root);
	for (at = 0; at < count && active_count; at++)
		active_count = step_on(&search, active, active_count, &steps[at]);
	for (size_t i = 0; at == count && i < active_count; i++)
		report_below(&search, active[i]);
	for (size_t i = 0; i < count; i++)
		free(TAKE(steps[i].text));
}

/* --- ways ------------------------------------------------------------------------------------- */

char *push_index_key(const struct lyd_node *node)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lyd_node *key;

	if (node->schema->nodetype == LYS_LEAFLIST)
		return xstrdup(lyd_get_value(node));
	for (key = lyd_child(node); key && lysc_is_key(key->schema); key = key->next) {
		const char *value = lyd_get_value(key);
		char quote = strchr(value, '\'') ? '"' : '\'';

		(void)!buf_printf(&text, "[%s=%c%s%c]", key->schema->name, quote, value, quote);
	}
	return text.length ? buf_take(&text) : NULL;
}

static const char *key_of_node(const struct push_step *step)
{
	return push_index_key(step->arg);
}

size_t push_index_way(const struct lyd_node *node,
	const struct lyd_node *(*parent)(const struct lyd_node *node, void *arg), void *arg,
	struct push_step *steps, size_t max)
{
	size_t count = 0;

	for (const struct lyd_node *at = node; at; at = parent(at, arg))
		count++;
	if (count > max)
		return 0;
	for (size_t i = count; i-- > 0; node = parent(node, arg)) {
		bool has_key = node->schema->nodetype & (LYS_LIST | LYS_LEAFLIST);

		steps[i] = (struct push_step){ node->schema, has_key ? key_of_node : NULL, node,
			NULL };
	}
	return count;
}
