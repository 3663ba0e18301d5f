/*
 * Children come in two ways: all in their order, where everything is selected and nothing is shown; else
 * in groups of one schema node, each of which goes through the phases of enum frame_phase.
 *
 * The order is that of the tree, but for entries that a filter names by key, which come as it names them
 * (unless the user orders them). Entries that are units within another unit are no part of the outer
 * unit's copy: they are taken from the tree one by one (frame->config).
 */
#include <errno.h>
#include <string.h>

#include "ashlar/log.h"

#include "frame.h"

#define SCAN_MAX    256 /* elements compared with each instance */
#define REFRESH_MAX 4	/* units whose values are refreshed one by one */
#define MADE_STEPS  16	/* what an entry that is made by itself counts as */
#define LOOK_STEPS                                                                                 \
	128 /* what looking for one counts as, when none was found in the time of a turn */

/* --- frames ----------------------------------------------------------------------------------- */

static const struct lyd_node *config_children(const struct walk *walk, const struct frame *frame)
{
	if (!frame->node)
		return walk->tree;
	return frame->config ? lyd_child(frame->config) : NULL;
}

static void end_group(struct frame *frame)
{
	if (frame->supply)
		frame->groups[frame->at_group].point->supply->close(TAKE(frame->supply));
	for (size_t i = 0; i < frame->lookup_count; i++) {
		free(frame->lookups[i].key);
		free(frame->lookups[i].elements);
	}
	for (size_t i = 0; i < frame->extra_count; i++)
		free(frame->extras[i].key);
	map_done(&frame->seen);
	frame->seen = (struct map){ 0 };
	frame->lookup_count = frame->at_lookup = 0;
	frame->extra_count = frame->at_extra = 0;
	frame->has_instance = frame->is_keyed = frame->is_gathered = frame->has_made = false;
	frame->next = NULL;
	frame->phase = FRAME_BEGIN;
}

struct frame *frame_push(struct walk *walk)
{
	struct frame *frame, old;

	if (walk->frame_count == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 16;

		walk->frames = xreallocarray(walk->frames, room, sizeof(*walk->frames));
		memset(walk->frames + walk->room, 0, (room - walk->room) * sizeof(*walk->frames));
		walk->room = room;
	}
	frame = &walk->frames[walk->frame_count++];
	old = *frame;
	*frame = (struct frame){
		.groups = old.groups,
		.group_room = old.group_room,
		.lookups = old.lookups,
		.lookup_room = old.lookup_room,
		.extras = old.extras,
		.extra_room = old.extra_room,
	};
	return frame;
}

void frame_pop(struct walk *walk)
{
	struct frame *frame = &walk->frames[--walk->frame_count];

	end_group(frame);
	lyd_free_tree(frame->owned);
	frame->owned = NULL;
}

void frame_free(struct frame *frame)
{
	for (size_t i = 0; i < frame->group_room; i++)
		free(frame->groups[i].elements);
	free(frame->groups);
	free(frame->lookups);
	free(frame->extras);
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct group *add_group(
	struct walk *walk, struct frame *frame, const struct lysc_node *schema)
{
	struct group *group;

	if (frame->group_count == frame->group_room) {
		size_t room = frame->group_room ? frame->group_room * 2 : 8;

		frame->groups = xreallocarray(frame->groups, room, sizeof(*frame->groups));
		memset(frame->groups + frame->group_room, 0,
			(room - frame->group_room) * sizeof(*frame->groups));
		frame->group_room = room;
	}
	group = &frame->groups[frame->group_count++];
	group->schema = schema;
	group->count = 0;
	group->point = walk->is_operational ? show_below(frame->point, schema) : NULL;
	return group;
}

static void add_schema_groups(struct walk *walk, struct frame *frame,
	const struct lysc_node *parent, const struct lys_module *module)
{
	const struct lysc_node *schema = NULL;

	while ((schema = lys_getnext(schema, parent, parent ? NULL : module->compiled, 0))) {
		if (schema->nodetype & FILTER_NODES)
			(void)add_group(walk, frame, schema);
	}
}

/* Everything is selected, but something is shown among the children. */
static void add_all_groups(struct walk *walk, struct frame *frame)
{
	const struct lys_module *module;
	uint32_t at = 0;

	if (frame->node) {
		add_schema_groups(walk, frame, frame->node->schema, NULL);
		return;
	}
	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		if (module->implemented && module->compiled)
			add_schema_groups(walk, frame, NULL, module);
	}
}

static void add_to_group(struct walk *walk, struct frame *frame, const struct lysc_node *schema,
	struct filter *element)
{
	struct group *group = NULL;

	for (size_t i = 0; i < frame->group_count && !group; i++) {
		if (frame->groups[i].schema == schema)
			group = &frame->groups[i];
	}
	if (!group)
		group = add_group(walk, frame, schema);
	ARRAY_GROW(group->elements, group->count, group->room);
	group->elements[group->count++] = element;
}

void frame_select(struct walk *walk, struct frame *frame, struct filter *element)
{
	const struct lysc_node *parent = frame->node ? frame->node->schema : NULL;

	for (struct filter *child = element->children; child; child = child->next) {
		const struct lysc_node *const *schemas;
		size_t count;

		if (!child->is_output)
			continue;
		count = filter_schemas(walk->filter, child, parent, &schemas);
		for (size_t i = 0; i < count; i++)
			add_to_group(walk, frame, schemas[i], child);
	}
}

void frame_select_all(struct walk *walk, struct frame *frame)
{
	frame->is_plain = !frame->is_partial && (!frame->point || !frame->point->below_count);
	if (frame->is_plain)
		frame->next = frame->node ? lyd_child(frame->node) : walk->tree;
	else
		add_all_groups(walk, frame);
}

/* --- the group at hand ------------------------------------------------------------------------ */

static void add_lookup(struct frame *frame, struct map *by_key, char *key, struct filter *element)
{
	size_t index = (size_t)(uintptr_t)map_get_str(by_key, key);
	struct lookup *lookup;

	if (index) {
		free(key);
	} else {
		ARRAY_GROW(frame->lookups, frame->lookup_count, frame->lookup_room);
		frame->lookups[frame->lookup_count++] = (struct lookup){ .key = key };
		index = frame->lookup_count;
		map_put_str(by_key, key, (void *)(uintptr_t)index);
	}
	lookup = &frame->lookups[index - 1];
	ARRAY_GROW(lookup->elements, lookup->count, lookup->room);
	lookup->elements[lookup->count++] = element;
}

/* Do the elements name all instances that they can match? */
static bool find_keys(struct walk *walk, struct frame *frame, const struct group *group)
{
	struct map by_key = { 0 };
	enum filter_key found = FILTER_KEYED;

	if (!group->count || !(group->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)))
		return false;
	for (size_t i = 0; i < group->count && found != FILTER_UNKEYED; i++) {
		char *key;

		found = filter_key(walk->filter, group->elements[i], group->schema, &key);
		if (found == FILTER_KEYED)
			add_lookup(frame, &by_key, key, group->elements[i]);
	}
	map_done(&by_key);
	return found != FILTER_UNKEYED &&
		(frame->lookup_count < 2 || !(group->schema->flags & LYS_ORDBY_USER));
}

static const char *lookup_value(
	struct walk *walk, const struct group *group, const struct lookup *lookup)
{
	return filter_key_value(walk->filter, lookup->elements[0], lysc_node_child(group->schema));
}

/* Each kind of object can take milliseconds when there are thousands; true: there may be another. */
static bool refresh(struct walk *walk, const struct frame *frame, const struct group *group)
{
	if (!group->point || !show_is_asked(&walk->show, group->point))
		return false;
	if (!frame->is_keyed || !group->point->is_fixed || frame->lookup_count > REFRESH_MAX)
		return show_refresh_next(&walk->show, group->point);
	for (size_t i = 0; i < frame->lookup_count; i++)
		show_refresh(
			&walk->show, group->point, lookup_value(walk, group, &frame->lookups[i]));
	return false;
}

/* Are there entries that the copy of the frame's node left out? */
static bool is_apart(const struct frame *frame, const struct group *group)
{
	return frame->is_copy && group->schema->nodetype == LYS_LIST &&
		(group->point || frame->is_partial);
}

static const struct lyd_node *first_instance(
	const struct lyd_node *siblings, const struct lysc_node *schema)
{
	struct lyd_node *match = NULL;

	if (siblings)
		(void)lyd_find_sibling_val(siblings, schema, NULL, 0, &match);
	return match;
}

static const struct lyd_node *next_instance(const struct lyd_node *node)
{
	return node->next && node->next->schema == node->schema ? node->next : NULL;
}

static int begin_group(
	struct walk *walk, struct frame *frame, const struct group *group, struct err *err)
{
	frame->is_keyed = find_keys(walk, frame, group);
	if (!frame->is_keyed && group->count > SCAN_MAX &&
		group->schema->nodetype & (LYS_LIST | LYS_LEAFLIST))
		return err_tagged(err, ERR_TAG_TOO_BIG, NULL,
			"a filter has at most %u elements \"%s\" without the entry's key", SCAN_MAX,
			group->schema->name);
	frame->phase = FRAME_REFRESH;
	return 0;
}

static void begin_instances(struct walk *walk, struct frame *frame, const struct group *group)
{
	frame->phase = FRAME_CONFIG;
	if (!frame->is_copy || is_apart(frame, group))
		frame->next = first_instance(config_children(walk, frame), group->schema);
	frame->has_made =
		is_apart(frame, group) && first_instance(lyd_child(frame->node), group->schema);
}

static void choose(
	struct candidate *candidate, const struct group *group, const struct lookup *lookup)
{
	candidate->point = group->point;
	candidate->elements = lookup ? lookup->elements : group->elements;
	candidate->count = lookup ? lookup->count : group->count;
}

/* The next instance in the siblings at frame->next, by key or one by one. */
static const struct lyd_node *next_in_siblings(
	struct frame *frame, const struct group *group, struct candidate *candidate)
{
	const struct lyd_node *node = frame->next;

	if (!frame->is_keyed) {
		choose(candidate, group, NULL);
		frame->next = node ? next_instance(node) : NULL;
		return node;
	}
	while (node && frame->at_lookup < frame->lookup_count) {
		struct lookup *lookup = &frame->lookups[frame->at_lookup++];
		struct lyd_node *match = NULL;

		if (lyd_find_sibling_val(node, group->schema, lookup->key, strlen(lookup->key),
			    &match) == LY_EVALID)
			ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		choose(candidate, group, lookup);
		lookup->is_found |= match != NULL;
		if (match)
			return match;
	}
	return NULL;
}

const struct lyd_node *frame_counterpart(
	const struct lyd_node *siblings, const struct lyd_node *node)
{
	struct lyd_node *match = NULL;

	if (siblings)
		(void)lyd_find_sibling_first(siblings, node, &match);
	return match;
}

static bool next_config(struct walk *walk, struct frame *frame, const struct group *group,
	struct candidate *candidate)
{
	const struct lyd_node *node;

	while ((node = next_in_siblings(frame, group, candidate))) {
		if (frame->has_made && frame_counterpart(lyd_child(frame->node), node))
			continue; /* comes as what was made of it */
		candidate->node = candidate->config = node;
		candidate->is_shown = true;
		frame->has_instance = true;
		return true;
	}
	frame->phase = FRAME_MADE;
	frame->at_lookup = 0;
	frame->next = frame->is_copy ? first_instance(lyd_child(frame->node), group->schema) : NULL;
	return false;
}

static bool next_made(struct walk *walk, struct frame *frame, const struct group *group,
	struct candidate *candidate)
{
	const struct lyd_node *node =
		frame->is_copy ? next_in_siblings(frame, group, candidate) : NULL;

	if (!node) {
		frame->phase = FRAME_SUPPLY;
		return false;
	}
	candidate->node = node;
	candidate->is_copy = candidate->is_shown = true;
	if (group->point || frame->is_partial)
		candidate->config = frame_counterpart(config_children(walk, frame), node);
	if (candidate->config && is_apart(frame, group))
		show_complete(candidate->config, (struct lyd_node *)node);
	candidate->is_partial = frame->is_partial && group->schema->nodetype == LYS_CONTAINER;
	frame->has_instance = true;
	return true;
}

/* --- entries made one by one ------------------------------------------------------------------ */

/* The child is required: it is a test, or the only thing that is selected. */
static bool is_needed(const struct filter *element, const struct filter *child)
{
	if (child->is_test)
		return true;
	for (const struct filter *other = element->children; other; other = other->next) {
		if (other != child && other->is_output)
			return false;
	}
	return child->is_output;
}

/* The value that what @path leads to from the element, which means @schema, must have; NULL: none is known. */
static const char *needed_value(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *schema, const char *path)
{
	size_t size = strcspn(path, "/");
	const char *value = NULL;
	const struct lysc_node *node = NULL;

	while (!value && (node = lys_getnext(node, schema, NULL, 0))) {
		if (strlen(node->name) != size || strncmp(node->name, path, size) != 0)
			continue;
		if (!path[size]) {
			value = node->nodetype == LYS_LEAF ? filter_key_value(filter, element, node)
							   : NULL;
		} else if (node->nodetype == LYS_CONTAINER) {
			struct filter *child = element->children;

			for (; child && !value; child = child->next) {
				if (!child->value && filter_names(child, node) &&
					is_needed(element, child))
					value = needed_value(filter, child, node, path + size + 1);
			}
		}
	}
	return value;
}

struct asked {
	struct feature_asked asked; /* first */
	struct ds_filter *filter;
	const struct group *group;
};

/* What all that is selected has in common; more than one element hardly has anything. */
static const char *asked_value(const struct feature_asked *base, const char *path)
{
	const struct asked *asked = (const struct asked *)base;

	if (asked->group->count != 1)
		return NULL;
	return needed_value(asked->filter, asked->group->elements[0], asked->group->schema, path);
}

static bool is_cut_off(const struct walk *walk, const struct frame *frame)
{
	return walk->depth && !frame->is_silent && !walk->is_from_selection &&
		frame->depth >= walk->depth;
}

static int open_supply(
	struct walk *walk, struct frame *frame, const struct group *group, struct err *err)
{
	struct asked asked = {
		.asked = { .is_for_changes = walk->is_for_changes, .value = asked_value },
		.filter = walk->filter,
		.group = group,
	};

	return group->point->supply->open(frame->node, &asked.asked, &frame->supply, err);
}

/* Are entries left out whatever they hold? */
static bool skips(const struct walk *walk, const struct frame *frame, const struct group *group)
{
	const struct feature_supply *supply = group->point->supply;

	if (group->schema != walk->page.list || !walk->page.left_out || !supply->skip ||
		!frame->is_readable || walk->depth || walk->content == DS_CONTENT_CONFIG)
		return false;
	return !group->count || (group->count == 1 && filter_selects_any(group->elements[0]));
}

/* The next that is made, NULL: none this time; as feature_supply has it. */
static int next_made_alone(struct walk *walk, struct frame *frame, const struct group *group,
	struct lyd_node **ret_entry, struct err *err)
{
	const struct feature_supply *supply = group->point->supply;
	uint64_t skipped = 0;
	int r;

	if (!skips(walk, frame, group))
		return supply->next(frame->supply, (struct lyd_node *)frame->node, ret_entry, err);
	r = supply->skip(frame->supply, walk->page.left_out, &skipped, err);
	walk->page.left_out -= skipped;
	walk->has_found |= skipped != 0;
	return r;
}

/* 1 with a candidate, 0: there are no more, or an error. */
static int next_supplied(struct walk *walk, struct frame *frame, const struct group *group,
	struct candidate *candidate, struct err *err)
{
	struct lyd_node *entry = NULL;
	int r = 0;

	if (group->point && group->point->supply && frame->is_copy && !walk->without_supplies &&
		!is_cut_off(walk, frame)) {
		if (!frame->supply)
			r = open_supply(walk, frame, group, err);
		if (r == 0)
			r = next_made_alone(walk, frame, group, &entry, err);
	}
	if (r == 0)
		frame->phase = FRAME_EXTRA;
	if (r <= 0)
		return r;
	*candidate = (struct candidate){
		.node = entry,
		.owned = entry,
		.is_copy = true,
		.cost = entry ? MADE_STEPS : LOOK_STEPS,
	};
	choose(candidate, group, NULL);
	return 1;
}

/* --- units beyond configuration --------------------------------------------------------------- */

struct gathering {
	struct frame *frame;
	struct map wanted; /* key → lookup; used if the filter names keys */
};

static void gather(void *arg, const char *key)
{
	struct gathering *gathering = arg;
	struct frame *frame = gathering->frame;
	struct lookup *lookup;
	char *copy;

	if (!key || map_get_str(&frame->seen, key))
		return;
	lookup = map_get_str(&gathering->wanted, key);
	if (frame->is_keyed && !lookup)
		return;
	copy = xstrdup(key);
	map_put_str(&frame->seen, copy, copy);
	ARRAY_GROW(frame->extras, frame->extra_count, frame->extra_room);
	frame->extras[frame->extra_count++] = (struct extra){ .key = copy, .lookup = lookup };
}

static void gather_extras(struct walk *walk, struct frame *frame, const struct group *group)
{
	struct gathering gathering = { .frame = frame };

	for (size_t i = 0; i < frame->lookup_count; i++) {
		struct lookup *lookup = &frame->lookups[i];

		if (!lookup->is_found)
			map_put_str(&gathering.wanted, lookup_value(walk, group, lookup), lookup);
	}
	if (!frame->is_keyed || gathering.wanted.count)
		show_units(group->point, gather, &gathering);
	map_done(&gathering.wanted);
	frame->is_gathered = true;
}

struct lyd_node *frame_top(struct lyd_node *node)
{
	while (lyd_parent(node))
		node = lyd_parent(node);
	return node;
}

/* A unit out of nothing, below a bare copy of where it belongs. */
static bool make_unit(const struct frame *frame, const struct group *group, const char *key,
	struct candidate *candidate)
{
	struct lyd_node *parent = frame->is_copy ? (struct lyd_node *)frame->node : NULL;
	struct lyd_node *node = NULL;
	LY_ERR rc = LY_SUCCESS;

	if (frame->node && !frame->is_copy)
		rc = lyd_dup_single(
			frame->node, NULL, LYD_DUP_WITH_PARENTS | LYD_DUP_WITH_FLAGS, &parent);
	if (rc == LY_SUCCESS && key)
		rc = lyd_new_list(
			parent, group->schema->module, group->schema->name, 0, &node, key);
	else if (rc == LY_SUCCESS)
		rc = lyd_new_inner(parent, group->schema->module, group->schema->name, 0, &node);
	if (rc != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		log_debug("walk", "%s \"%s\" cannot be shown", group->schema->name, key ? key : "");
		if (parent && !frame->is_copy)
			lyd_free_tree(frame_top(parent));
		return false;
	}
	*candidate = (struct candidate){
		.node = node,
		.owned = frame->is_copy ? node : frame_top(node),
		.is_copy = true,
		.is_shown = true,
	};
	return true;
}

static bool has_entry(
	const struct lyd_node *siblings, const struct lysc_node *schema, const char *key)
{
	char quote = strchr(key, '\'') ? '"' : '\'';
	_cleanup_free_ char *predicate = NULL;
	struct lyd_node *match = NULL;

	if (!siblings)
		return false;
	predicate = xasprintf("[%s=%c%s%c]", lysc_node_child(schema)->name, quote, key, quote);
	if (lyd_find_sibling_val(siblings, schema, predicate, strlen(predicate), &match) ==
		LY_EVALID)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return match != NULL;
}

/* One key at a time: most are configured. */
static bool next_entry(struct walk *walk, struct frame *frame, const struct group *group,
	struct candidate *candidate)
{
	const struct extra *extra;

	if (!frame->is_gathered)
		gather_extras(walk, frame, group);
	if (frame->at_extra == frame->extra_count)
		return false;
	extra = &frame->extras[frame->at_extra++];
	if (!has_entry(config_children(walk, frame), group->schema, extra->key) &&
		!(frame->is_copy && has_entry(lyd_child(frame->node), group->schema, extra->key)) &&
		make_unit(frame, group, extra->key, candidate))
		choose(candidate, group, extra->lookup);
	return true;
}

static void note_unit(void *arg, const char *key)
{
	*(bool *)arg = true;
}

static bool next_container(
	struct frame *frame, const struct group *group, struct candidate *candidate)
{
	bool exists = false;

	if (frame->has_instance)
		return false;
	frame->has_instance = true;
	show_units(group->point, note_unit, &exists);
	if ((!exists && !group->point->below_count) || !make_unit(frame, group, NULL, candidate))
		return false;
	candidate->is_shown = exists;
	choose(candidate, group, NULL);
	return true;
}

static bool next_extra(struct walk *walk, struct frame *frame, const struct group *group,
	struct candidate *candidate)
{
	if (!group->point || !group->point->is_fixed)
		return false;
	if (group->schema->nodetype == LYS_CONTAINER)
		return next_container(frame, group, candidate);
	return group->point->source_count && next_entry(walk, frame, group, candidate);
}

/* 1 with a candidate, 0 at the end of the group, or an error. */
static int next_in_group(struct walk *walk, struct frame *frame, const struct group *group,
	struct candidate *candidate, struct err *err)
{
	int r;

	if (frame->phase == FRAME_BEGIN) {
		r = begin_group(walk, frame, group, err);
		if (r < 0)
			return r;
	}
	if (frame->phase == FRAME_REFRESH) {
		if (refresh(walk, frame, group)) {
			*candidate = (struct candidate){ .cost = LOOK_STEPS };
			return 1;
		}
		begin_instances(walk, frame, group);
	}
	if (frame->phase == FRAME_CONFIG && next_config(walk, frame, group, candidate))
		return 1;
	if (frame->phase == FRAME_MADE && next_made(walk, frame, group, candidate))
		return 1;
	if (frame->phase == FRAME_SUPPLY) {
		r = next_supplied(walk, frame, group, candidate, err);
		if (r)
			return r;
	}
	return next_extra(walk, frame, group, candidate);
}

static bool next_plain(struct frame *frame, struct candidate *candidate)
{
	const struct lyd_node *node = frame->next;

	/* Keys came with the entry. */
	while (node && lysc_is_key(node->schema))
		node = node->next;
	if (!node)
		return false;
	frame->next = node->next;
	candidate->node = node;
	candidate->config = frame->is_copy ? NULL : node;
	candidate->is_copy = frame->is_copy;
	return true;
}

int frame_next(
	struct walk *walk, struct frame *frame, struct candidate *ret_candidate, struct err *err)
{
	*ret_candidate = (struct candidate){ 0 };
	if (frame->is_plain)
		return next_plain(frame, ret_candidate);
	while (frame->at_group < frame->group_count) {
		int r = next_in_group(
			walk, frame, &frame->groups[frame->at_group], ret_candidate, err);

		if (r)
			return r;
		end_group(frame);
		frame->at_group++;
	}
	return 0;
}
