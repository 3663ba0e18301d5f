/*
 * One pass over what a read selects, printing it. The pass can stop after any node and go on later; it
 * keeps no more than the way from the root to where it is, and of operational data the unit at hand.
 */
#ifndef ASHLAR_DATASTORE_WALK_H
#define ASHLAR_DATASTORE_WALK_H

#include "filter.h"
#include "origin.h"
#include "print.h"
#include "show.h"

struct frame;

/* Of one list a page is read: so many entries that are in the text, after so many that would be. */
struct walk_page {
	const struct lysc_node *list; /* NULL: everything is read */
	uint64_t left_out, left;      /* still to be left out, and then to come */
	size_t frame_count;	      /* when it was full: what is in these does not go on */
	bool is_full;
};

struct walk {
	/* Set by the caller, before walk_start(). */
	const struct lyd_node *tree; /* first top-level node; may be NULL; stays as it is */
	struct ds_filter *filter;    /* NULL: everything */
	const struct access *access; /* NULL: no limits */
	enum ds_content content;
	unsigned depth;	     /* 0: unbounded */
	bool is_operational; /* units are shown */
	bool can_refresh;
	bool is_for_changes;	/* without what is silent (schema.h) */
	bool without_supplies;	/* without entries that are made one by one */
	bool is_path;		/* only the filter's target is printed, without what is around it */
	bool is_from_selection; /* depth counts from each node that the filter selects wholly */
	bool is_in_use;		/* what is not in use is left out, where it comes from is known */
	bool has_notes;		/* of that the tree's annotations tell */
	bool with_origin;
	unsigned origins; /* bits of those selected; 0: all */
	struct walk_page page;
	struct print print;

	bool has_found; /* the target of a path */
	size_t steps;	/* so far, about */
	struct origin_unused unused;
	struct show show;
	struct frame *frames;
	size_t frame_count, room; /* frames in use; those above keep their memory */
	struct err *err;
};

void walk_start(struct walk *walk);
/* Goes on for a while: 1 when there is more, 0 at the end, or an error. */
int walk_run(struct walk *walk, bool (*should_stop)(void), struct err *err) WARN_UNUSED;
void walk_end(struct walk *walk);

#endif
