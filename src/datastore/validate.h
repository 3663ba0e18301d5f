/* What the parts of one validation share (validate.c, when.c, settle.c, counts.c). */
#ifndef ASHLAR_DATASTORE_VALIDATE_H
#define ASHLAR_DATASTORE_VALIDATE_H

#include "constraints.h"

struct check {
	const struct constraint *constraint;
	struct lyd_node *node;
	const struct lyd_node *cause; /* the change that asked for it; NULL: the node itself */
};

struct checks {
	struct map seen; /* by the bytes of struct check up to its cause */
	struct check **items;
	size_t count, room, done;
};

struct parents {
	struct map seen; /* node address */
	struct lyd_node ***items;
	size_t count, room, done;
};

/* What holds for one value holds for all the same below the ancestor: see same_levels. */
struct verdict {
	const struct constraint *constraint;
	const char *value; /* libyang keeps each text once */
	const struct lyd_node *ancestor;
};

struct validation {
	struct edit *edit;
	struct arena *arena;
	size_t read;		      /* events of the record read so far */
	const struct lyd_node *cause; /* the node whose readers are being told */
	struct checks leafrefs, musts, whens, denied;
	struct parents settle, count;
	struct map verdicts; /* struct verdict: what was found to hold */
	bool settle_all;     /* top-level defaults are to be made */
	bool is_settling; /* defaults and whens alone, of a tree that the data index does not know */
	/* An event whose subtree is being read. */
	struct lyd_node *walk_root, *walk_at;
};

/* Asks for a check of the constraint at the node, once. */
void validate_add(struct validation *v, struct checks *checks, const struct constraint *constraint,
	struct lyd_node *node);
/* A child of @parent (NULL: nothing) came or went: its defaults and counts are to be looked at. */
void validate_touch_parent(struct validation *v, struct lyd_node *parent);
/* Whether @parent holds what it must is to be looked at. */
void validate_count(struct validation *v, struct lyd_node *parent);
/* First instance of @schema below @parent (NULL: at top level). */
struct lyd_node *validate_first(
	struct validation *v, const struct lyd_node *parent, const struct lysc_node *schema);

#endif
