/*
 * A node whose children a walk is looking at, and which of them comes next: in the tree that is read,
 * made by a unit's show(), or out of nothing.
 */
#ifndef ASHLAR_DATASTORE_FRAME_H
#define ASHLAR_DATASTORE_FRAME_H

#include "ashlar/map.h"

#include "walk.h"

/* Where the instances of one schema node are looked for, one after the other. */
enum frame_phase {
	FRAME_BEGIN,
	FRAME_REFRESH, /* values without notification are read again, kind by kind */
	FRAME_CONFIG,  /* in the tree that is read */
	FRAME_MADE,    /* in a unit's copy, where show() has put them */
	FRAME_SUPPLY,  /* made one by one */
	FRAME_EXTRA,   /* units that exist without configuration */
};

/* The instances of one schema node below a frame's node. */
struct group {
	const struct lysc_node *schema;
	const struct show_point *point; /* may be NULL */
	struct filter **elements;	/* that can match them; none: all are selected */
	size_t count, room;
};

/* An instance that the filter names by its key, by one or more elements. */
struct lookup {
	char *key;
	struct filter **elements;
	size_t count, room;
	bool is_found; /* in the tree */
};

/* A unit beyond configuration. */
struct extra {
	char *key;
	struct lookup *lookup; /* that names it; NULL: none does */
};

struct frame {
	const struct lyd_node *node;   /* NULL: the root */
	const struct lyd_node *config; /* the same in the tree that is read; NULL: not there */
	const struct lyd_node
		*source;	/* likewise, also where config need not be known: for origins */
	enum ds_origin origin;	/* of node; NONE: of none, or not asked for */
	struct lyd_node *owned; /* freed with the frame */
	const struct show_point *point; /* NULL: nothing is shown at or below it */
	bool is_copy;			/* node is not in the tree that is read */
	bool is_partial;		/* a copy without its lists' entries: config has them */
	bool is_readable;		/* with all below: access need not be asked */
	bool is_silent;			/* only on the way to a path's target */
	bool is_plain;			/* all children in order; else groups */
	bool is_selected;		/* wholly */
	bool is_counted;		/* an entry of the list that a page is read of */
	unsigned depth;
	const struct lyd_node *next;

	struct group *groups;
	size_t group_count, group_room, at_group;
	/* Of the group at hand. */
	enum frame_phase phase;
	bool is_keyed;
	bool has_instance;
	bool has_made; /* show() has made instances of what config has, too */
	struct lookup *lookups;
	size_t lookup_count, lookup_room, at_lookup;
	struct extra *extras;
	size_t extra_count, extra_room, at_extra;
	bool is_gathered; /* extras are known */
	struct map seen;  /* their keys */
	void *supply;	  /* the feature's, opened; NULL: not yet */
};

/* A node that is looked at next. */
struct candidate {
	const struct lyd_node *node; /* NULL: nothing this time */
	const struct lyd_node *config;
	struct lyd_node *owned; /* what to free when done with it; may be NULL */
	const struct show_point *point;
	bool is_copy;
	bool is_partial;
	bool is_shown; /* show() is still to be asked, if anybody wants it */
	unsigned cost; /* steps that it took to make it, or to find nothing */
	struct filter **elements;
	size_t count;
};

/* A frame on top of the others, zeroed but for the memory of one that was there before. */
struct frame *frame_push(struct walk *walk);
/* Drops the topmost, with the copy it owns. */
void frame_pop(struct walk *walk);
void frame_free(struct frame *frame);
/* All children are selected. */
void frame_select_all(struct walk *walk, struct frame *frame);
/* What the element's children select; may be called for several elements. */
void frame_select(struct walk *walk, struct frame *frame, struct filter *element);
/* 1: *ret_candidate is the next child (its node may be NULL: nothing this time); 0: no more; or an error. */
int frame_next(struct walk *walk, struct frame *frame, struct candidate *ret_candidate,
	struct err *err) WARN_UNUSED;
/* The counterpart of @node among the siblings (may be NULL); NULL: there is none. */
const struct lyd_node *frame_counterpart(
	const struct lyd_node *siblings, const struct lyd_node *node);
/* The uppermost node of a tree. */
struct lyd_node *frame_top(struct lyd_node *node);

#endif
