/* Which units an edit touches: by ownership, and by what features say they read. */
#ifndef ASHLAR_DATASTORE_UNITS_H
#define ASHLAR_DATASTORE_UNITS_H

#include "edit.h"
#include "schema.h"

struct unit_entry {
	char *path;
	const struct lysc_node *schema;
	/* Where it was seen last: there it stands unless the edit has taken it out since. */
	const struct lyd_node *node;
	/* When node is NULL: it stood nowhere when the edit had so many events; 0: to be looked for. */
	size_t node_events;
};

/* Units, each once; zeroed is empty. */
struct unit_set {
	struct map by_path; /* path → struct unit_entry * */
	struct unit_entry **entries;
	size_t count, room;
	const struct lyd_node *last; /* node added last: most additions repeat it */
	const struct lyd_node
		*below; /* where units_collect() goes on within an event; NULL: at its node */
};

void unit_set_done(struct unit_set *set);
/* A subtree that is about to be taken out. */
void units_collect_removed(struct unit_set *set, struct lyd_node *subtree);
/*
 * What an edit made, changed or moved, as it stands now; from event *at on, for a few milliseconds. True:
 * there is more.
 */
bool units_collect(struct unit_set *set, const struct edit *edit, size_t *at);

#endif
