/* The plan's inside, for apply.c. */
#ifndef ASHLAR_STATE_PLAN_H
#define ASHLAR_STATE_PLAN_H

#include "tables.h"

struct plan_step {
	struct step step;
	unsigned rank, depth;  /* place in the order */
	unsigned sequence;     /* of making: keeps equal ones in order */
	struct object *wanted; /* the wanted object of ADD and CHANGE */
};

struct plan {
	enum plan_mode mode;
	struct plan_step **steps;
	size_t count, room;
	struct map added; /* "kind key" of what this plan adds → struct plan_step * */
	char **names;	  /* keys of added */
	size_t name_count, name_room;
};

/* Makes the inverse of a step that was done; the caller frees with plan_step_free(). */
struct plan_step *plan_inverse(const struct plan_step *step);
void plan_step_free(struct plan_step *step);

#endif
