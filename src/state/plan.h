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
	bool is_optional;	     /* its failure leaves it pending, in strict mode too */
	struct object *wanted;	     /* the wanted object of ADD and CHANGE; NULL when undoing */
	const struct object *origin; /* REMOVE: what wanted it until now; may be NULL */
};

struct plan {
	enum plan_mode mode;
	struct plan_step **steps;
	size_t count, room;
	struct run *run; /* that runs it; NULL: none */
};

void plan_step_free(struct plan_step *step);
/* The way back to what have_former() tells, in best-effort mode. */
struct plan *plan_undo(void);
/* apply.c: its plan is freed. */
void apply_cancel(struct run *run);

#endif
