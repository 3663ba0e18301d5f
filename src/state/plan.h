/* The plan's inside, for apply.c. */
#ifndef ASHLAR_STATE_PLAN_H
#define ASHLAR_STATE_PLAN_H

#include "tables.h"

struct run;

struct plan_step {
	struct step step;
	unsigned rank, depth; /* place in the order */
	unsigned sequence;    /* of making: keeps equal ones in order */
	uint8_t section;
	bool is_lost;		     /* it adds what goes along with something that is made again */
	bool is_optional;	     /* its failure leaves it pending, in strict mode too */
	struct object *wanted;	     /* the wanted object of ADD and CHANGE; NULL when undoing */
	const struct object *origin; /* REMOVE: what wanted it until now; may be NULL */
};

/* What has been done of making it. */
enum plan_stage {
	PLAN_STAGE_WANTED, /* what the units want now */
	PLAN_STAGE_LOST,   /* what goes along with what is made again */
	PLAN_STAGE_OLD,	   /* what they wanted before */
	PLAN_STAGE_LEFTOVERS,
	PLAN_STAGE_PLACES, /* in which heap each step goes */
	PLAN_STAGE_ORDER,
	PLAN_STAGE_UNMET,
	PLAN_STAGE_COMING,
	PLAN_STAGE_MADE,
};

/* Steps that have one place in the order. */
struct plan_heap {
	uint8_t section;
	unsigned rank, depth;
	struct plan_step **steps;
	size_t count, room;
};

/* An observed object that will not be there any more, or will have to come again. */
struct plan_going {
	const struct object_kind *kind;
	const char *key; /* in the plan's arena */
};

struct plan {
	enum plan_mode mode;
	struct arena *arena;	  /* of the steps */
	struct plan_step **steps; /* NULL: one that was dropped while the plan is made */
	size_t count, room;
	struct run *run; /* that runs it; NULL: none */

	/* While it is made. */
	enum plan_stage stage;
	struct plan_unit *units;
	size_t unit_count;
	size_t at, inner, kept; /* where the stage is */
	struct plan_step **ordered;
	struct plan_heap *heaps;
	size_t heap_count, heap_room, last_heap;
	struct plan_step **blockable; /* additions and changes of kinds that may be blocked */
	size_t blockable_count, blockable_room;
	struct map taken;	   /* places where objects come: see object_kind.place */
	size_t looked_at;	   /* steps that were looked at for it */
	struct plan_step **taking; /* those that take others along */
	size_t taking_count, taking_room;
	struct plan_going *going; /* what is marked so */
	size_t going_count, going_room;
	struct map by_wanted; /* wanted object → its step, while what is lost is looked for */
};

/* Another step; @have is copied. The steps belong to the plan. */
struct plan_step *plan_add_step(
	struct plan *plan, enum step_op op, const struct object *want, const struct object *have);
/* How many objects of its own kind stand between a wanted object and one that needs none. */
unsigned plan_depth(const struct object *want);
/* What needs it must not count on it, unless the plan adds it. */
void plan_mark_going(struct plan *plan, struct object *have);

/* The way back to what have_former() tells, in best-effort mode. */
struct plan *plan_undo(void);
/*
 * lost.c: what goes along when the plan does its step taking[@at], and is still wanted, is to come again,
 * whoever wants it.
 */
void lost_plan(struct plan *plan, size_t at);
/* unmet.c: in build order, so that what waits makes wait what needs it. False: the step is to be dropped. */
bool unmet_keeps(struct plan_step *step);
/* apply.c: its plan is freed. */
void apply_cancel(struct run *run);

#endif
