/*
 * What a plan would do, kept when the plan is gone. A client that may not read all is told of what it may read
 * the owner of: judged in the tree that the plan was made for and, where the owner is not in that any more, in
 * running as it is.
 */
#ifndef ASHLAR_DATASTORE_STEPS_H
#define ASHLAR_DATASTORE_STEPS_H

#include "ashlar/state.h"

#include "access.h"

struct steps {
	struct access *access; /* referenced; NULL: everything may be read */
	struct ds_step *items; /* texts are in the arena */
	bool *is_open;	       /* of each: its owner was not found */
	size_t count;
	struct arena *arena;
};

void steps_init(struct steps *steps, struct access *access);
/* The edited tree is at hand. */
void steps_take(struct steps *steps, const struct plan *plan);
/* The edit is undone. */
void steps_settle(struct steps *steps);
void steps_done(struct steps *steps);

#endif
