/*
 * What is done with each node: is it to be seen, how much of it is selected, does show() add to it. A unit
 * is copied when it comes up, shown, printed and freed.
 */
#include <string.h>

#include "frame.h"
#include "schema.h"
#include "walk.h"

#define STEPS_PER_LOOK 32 /* nodes between two looks at the clock */
#define UNIT_STEPS     8  /* what showing a unit counts as */

/* --- nodes ------------------------------------------------------------------------------------ */

static bool is_state(const struct lysc_node *schema)
{
	return schema->flags & LYS_CONFIG_R;
}

static bool is_inner(const struct lysc_node *schema)
{
	return schema->nodetype & (LYS_CONTAINER | LYS_LIST);
}

static bool fits_content(const struct walk *walk, const struct lysc_node *schema)
{
	if (walk->is_for_changes && schema_of(schema)->is_silent)
		return false;
	switch (walk->content) {
	case DS_CONTENT_ALL:
		return true;
	case DS_CONTENT_CONFIG:
		return !is_state(schema);
	case DS_CONTENT_NONCONFIG:
		return is_state(schema) || is_inner(schema);
	}
	return true;
}

/* An entry without its keys would not be data: who may not read them does not see the entry. */
static bool is_visible(const struct walk *walk, const struct lyd_node *node)
{
	const struct lyd_node *key;

	if (!access_node(walk->access, node, ACCESS_READ))
		return false;
	if (node->schema->nodetype != LYS_LIST)
		return true;
	for (key = lyd_child(node); key && lysc_is_key(key->schema); key = key->next) {
		if (!access_node(walk->access, key, ACCESS_READ))
			return false;
	}
	return true;
}

/* Could a test below look into lists? Others compare leaves. */
static bool tests_lists(const struct filter *element)
{
	for (const struct filter *child = element->children; child; child = child->next) {
		if (child->is_test ? !child->value : tests_lists(child))
			return true;
	}
	return false;
}

/* Are the lists in a container's copy worth their cost? They can be long. */
static bool copies_lists(const struct candidate *candidate)
{
	if (candidate->node->schema->nodetype == LYS_LIST)
		return true;
	for (size_t i = 0; i < candidate->count; i++) {
		if (tests_lists(candidate->elements[i]))
			return true;
	}
	return false;
}

/* Copies the unit and has it shown, if anything of it is asked for; the steps that it costs. */
static unsigned show_candidate(struct walk *walk, struct candidate *candidate)
{
	const struct show_point *point = candidate->point;

	if (!candidate->is_shown || !point || !point->source_count ||
		!show_is_asked(&walk->show, point))
		return 0;
	if (!candidate->is_copy) {
		bool with_lists = copies_lists(candidate);
		struct lyd_node *copy = show_copy(point, candidate->node, with_lists);

		if (!copy)
			return 0;
		candidate->node = copy;
		candidate->owned = frame_top(copy);
		candidate->is_copy = true;
		candidate->is_partial = !with_lists;
	}
	show_unit(&walk->show, point, candidate->config, (struct lyd_node *)candidate->node);
	return UNIT_STEPS;
}

/* --- origins ---------------------------------------------------------------------------------- */

static bool knows_origins(const struct walk *walk)
{
	return walk->is_in_use || walk->has_notes;
}

/* What stands in the tree where the candidate does. */
static const struct lyd_node *source_of(
	const struct walk *walk, const struct frame *parent, const struct candidate *candidate)
{
	const struct lyd_node *siblings;

	if (!candidate->is_copy)
		return candidate->node;
	if (candidate->config)
		return candidate->config;
	if (is_state(candidate->node->schema))
		return NULL;
	siblings = parent->node ? lyd_child(parent->source) : walk->tree;
	return siblings ? frame_counterpart(siblings, candidate->node) : NULL;
}

static bool fits_origin(
	const struct walk *walk, const struct lysc_node *schema, enum ds_origin origin)
{
	return !walk->origins || is_state(schema) || walk->origins & 1U << origin;
}

/* To be said of what comes next; it goes without saying where it is that of what it is in. */
static void say_origin(struct walk *walk, const struct frame *parent, enum ds_origin origin)
{
	bool is_said = parent->is_silent || parent->origin != origin;

	walk->print.origin = walk->with_origin && is_said ? ds_origin_name(origin) : NULL;
}

/* --- nodes with children ---------------------------------------------------------------------- */

/* Whether the node is in the text even if nothing in it is. */
static bool stands_alone(const struct walk *walk, const struct lyd_node *node, unsigned depth,
	bool is_all, enum ds_origin origin)
{
	const struct lysc_node *schema = node->schema;

	if (!fits_origin(walk, schema, origin))
		return false;
	if (walk->content == DS_CONTENT_NONCONFIG && !is_state(schema))
		return false;
	if (schema->nodetype == LYS_LIST || schema->flags & LYS_PRESENCE)
		return is_all;
	/* What is in it is cut off, but there is something. */
	return walk->depth && depth == walk->depth && !(node->flags & LYD_DEFAULT) &&
		lyd_child(node);
}

/* Where a node is in the read. */
struct placement {
	unsigned depth;
	const struct lyd_node *source;
	enum ds_origin origin;
};

static bool is_counted(const struct walk *walk, const struct lysc_node *schema)
{
	return walk->page.list && schema == walk->page.list;
}

/* One more entry, which is in the text or would be. */
static void count_entry(struct walk *walk)
{
	struct walk_page *page = &walk->page;

	if (page->left_out) {
		page->left_out--;
	} else if (!--page->left) {
		page->is_full = true;
		page->frame_count = walk->frame_count;
	}
}

static void enter(struct walk *walk, const struct candidate *candidate,
	const struct placement *placement, bool is_all, bool is_target)
{
	const struct frame *parent = &walk->frames[walk->frame_count - 1];
	bool is_silent = parent->is_silent && !is_target;
	bool is_readable = parent->is_readable ||
		access_below(walk->access, candidate->node->schema, ACCESS_READ) == ACCESS_PERMIT;
	struct frame *frame = frame_push(walk);

	frame->node = candidate->node;
	frame->config = candidate->config;
	frame->owned = candidate->owned;
	frame->point = candidate->point;
	frame->is_copy = candidate->is_copy;
	frame->is_partial = candidate->is_partial;
	frame->is_readable = is_readable;
	frame->is_silent = is_silent;
	frame->is_selected = is_all;
	frame->depth = placement->depth;
	frame->source = placement->source;
	frame->origin = placement->origin;
	frame->is_counted = is_counted(walk, frame->node->schema);
	if (frame->is_counted && walk->page.left_out)
		print_aside_begin(&walk->print);
	if (!is_silent) {
		print_begin(&walk->print, frame->node);
		if (is_target ||
			stands_alone(walk, frame->node, frame->depth, is_all, frame->origin))
			print_touch(&walk->print);
	}
	if (is_all) {
		frame_select_all(walk, frame);
		return;
	}
	for (size_t i = 0; i < candidate->count; i++) {
		if (filter_match(walk->filter, candidate->elements[i], candidate->node,
			    walk->access) == FILTER_PART)
			frame_select(walk, frame, candidate->elements[i]);
	}
}

static void leaf(
	struct walk *walk, const struct lyd_node *node, enum ds_origin origin, bool is_target)
{
	if (!fits_origin(walk, node->schema, origin))
		return;
	if (is_counted(walk, node->schema)) {
		bool is_left_out = walk->page.left_out;

		if (!is_target && !format_reports(node, walk->print.defaults))
			return;
		count_entry(walk);
		if (is_left_out)
			return;
	}
	if (lysc_is_key(node->schema) && !is_target)
		print_touch(&walk->print); /* keys come with the entry */
	else
		print_leaf(&walk->print, node, is_target);
}

/* How much of the candidate is selected. */
static enum filter_match match(struct walk *walk, const struct candidate *candidate)
{
	enum filter_match best = candidate->count ? FILTER_NONE : FILTER_ALL;

	for (size_t i = 0; i < candidate->count && best != FILTER_ALL; i++) {
		enum filter_match found = filter_match(
			walk->filter, candidate->elements[i], candidate->node, walk->access);

		if (found > best)
			best = found;
	}
	return best;
}

/* What is counted from what the filter selects begins anew there, and does not count before. */
static unsigned depth_below(
	const struct walk *walk, const struct frame *frame, const struct candidate *candidate)
{
	bool is_field = candidate->count && candidate->elements[0]->is_field;

	if (walk->is_from_selection && !frame->is_selected)
		return 0;
	return is_field ? 1 : frame->depth + 1;
}

/* One node with, if it has children, the frame to look at them; the steps it took. */
static unsigned visit(struct walk *walk, struct candidate *candidate)
{
	const struct frame *frame = &walk->frames[walk->frame_count - 1];
	const struct lysc_node *schema = candidate->node->schema;
	bool is_target = frame->is_silent && candidate->count && candidate->elements[0]->is_target;
	struct placement place = { .depth = depth_below(walk, frame, candidate) };
	unsigned steps = 1;
	enum filter_match found = FILTER_NONE;

	if (is_target)
		place.depth = 1;
	if (knows_origins(walk))
		place.source = source_of(walk, frame, candidate);
	if (fits_content(walk, schema) &&
		(!walk->depth || frame->is_silent || place.depth <= walk->depth) &&
		!origin_is_unused(&walk->unused, place.source) &&
		(frame->is_readable || is_visible(walk, candidate->node))) {
		steps += show_candidate(walk, candidate);
		found = match(walk, candidate);
	}
	if (found != FILTER_NONE) {
		walk->has_found |= is_target;
		if (!place.depth && found == FILTER_ALL)
			place.depth = 1;
		if (knows_origins(walk)) {
			place.origin = walk->has_notes
				? origin_in_notes(candidate->node, frame->origin)
				: origin_of(candidate->node, place.source, frame->origin);
			say_origin(walk, frame, place.origin);
		}
		if (is_inner(schema)) {
			enter(walk, candidate, &place, found == FILTER_ALL, is_target);
			return steps;
		}
		leaf(walk, candidate->node, place.origin, is_target);
	}
	lyd_free_tree(candidate->owned);
	return steps;
}

/* --- the pass --------------------------------------------------------------------------------- */

static void leave(struct walk *walk)
{
	const struct frame *frame = &walk->frames[walk->frame_count - 1];
	bool is_out = frame->is_counted && print_is_open(&walk->print);

	if (frame->node && !frame->is_silent)
		print_end(&walk->print);
	if (frame->is_counted && walk->page.left_out)
		print_aside_end(&walk->print);
	frame_pop(walk);
	if (is_out)
		count_entry(walk);
}

/* Nothing more is to come of the frame. */
static bool is_past(const struct walk *walk)
{
	return walk->page.is_full && walk->frame_count <= walk->page.frame_count;
}

/* The steps it took, 0 at the end of everything, or an error. */
static int step(struct walk *walk, struct err *err)
{
	while (walk->frame_count) {
		struct frame *frame = &walk->frames[walk->frame_count - 1];
		struct candidate candidate;
		int r = is_past(walk) ? 0 : frame_next(walk, frame, &candidate, err);

		if (r < 0)
			return r;
		if (r > 0)
			return (int)(candidate.cost +
				(candidate.node ? visit(walk, &candidate) : 1));
		leave(walk);
	}
	return 0;
}

void walk_start(struct walk *walk)
{
	struct frame *root;
	enum filter_match found = FILTER_ALL;

	if (access_all(walk->access, ACCESS_READ))
		walk->access = NULL;
	if (walk->is_operational)
		show_start(&walk->show, walk->filter, walk->access, walk->can_refresh);
	root = frame_push(walk);
	root->config = walk->tree;
	root->point = walk->is_operational ? show_root() : NULL;
	root->is_readable = !walk->access;
	root->is_silent = walk->is_path;
	root->depth = 1;
	if (walk->filter)
		found = filter_match_root(walk->filter, walk->tree, walk->access);
	root->is_selected = found == FILTER_ALL;
	if (walk->is_in_use)
		origin_find_unused(&walk->unused, walk->tree);
	if (found == FILTER_ALL)
		frame_select_all(walk, root);
	else if (found == FILTER_PART)
		frame_select(walk, root, walk->filter->root);
}

int walk_run(struct walk *walk, bool (*should_stop)(void), struct err *err)
{
	unsigned steps = 0;
	int r;

	while ((r = step(walk, err)) > 0) {
		steps += (unsigned)r;
		if (steps < STEPS_PER_LOOK)
			continue;
		walk->steps += steps;
		steps = 0;
		if (should_stop && should_stop())
			return 1;
	}
	return r;
}

void walk_end(struct walk *walk)
{
	while (walk->frame_count)
		frame_pop(walk);
	for (size_t i = 0; i < walk->room; i++)
		frame_free(&walk->frames[i]);
	free(walk->frames);
	walk->frames = NULL;
	walk->room = 0;
	origin_unused_done(&walk->unused);
	show_end(&walk->show);
	print_done(&walk->print);
}
