/*
 * The start-up index of what each schema node can break (constraints.c), and the validation of an edit
 * that checks exactly that (validate.c).
 */
#ifndef ASHLAR_DATASTORE_CONSTRAINTS_H
#define ASHLAR_DATASTORE_CONSTRAINTS_H

#include "edit.h"
#include "schema.h"

enum constraint_kind {
	CONSTRAINT_MUST,
	CONSTRAINT_WHEN,
	CONSTRAINT_LEAFREF, /* and every other type that looks at other nodes */
};

struct constraint {
	enum constraint_kind kind;
	const struct lysc_node *on; /* the node it stands on */
	const struct lysc_node
		*holder; /* of a when: on, or the choice or case around it that has it */
	const struct lysc_node *context; /* of evaluation: on, or a when's context (NULL: root) */
	const struct lyxp_expr *expr;
	const struct lysc_prefix *prefixes;
	const struct lysc_must *must;
	struct derived *derived; /* when it only asks for an identity; else NULL */
	/* Of a leaf: the verdict is the same for all with one value below one ancestor, so many levels up (0:
	 * wherever they are); -1: it may not be. */
	int same_levels;
};

/* How the instances of a constraint are found from a changed node. */
enum reach {
	REACH_BELOW, /* instances below the nearest instance of anchor above the changed node */
	REACH_VALUE, /* instances whose leafref source holds the key of the list entry changed in */
	REACH_TARGET, /* instances whose own value is the changed or removed node's former value */
	REACH_ALL,
};

struct reader {
	struct constraint *constraint;
	enum reach reach;
	const struct lysc_node *anchor; /* BELOW; NULL: the root */
	const struct lysc_node *list;	/* VALUE: whose key is looked up */
	const struct lysc_node *source; /* VALUE, TARGET: leafref leaf that holds it */
};

/* Index of the schema nodes' constraints; called by schema_init(). */
int constraints_init(struct snode *const *nodes, size_t count, struct err *err) WARN_UNUSED;
void constraints_done(void);
size_t constraints_count(void);

/* A constraint's instance is a node; of a when, which may stand on an absent node, the node's parent. */
const struct lysc_node *constraints_holder(const struct constraint *constraint);
/* Value of a default as canonical text, borrowed; @index for leaf-lists; NULL beyond the last. */
const char *constraints_default(const struct lysc_node *schema, size_t index);

/*
 * Validation of one edit of running: makes defaults, removes what a when has turned off, then checks
 * whatever the edit can have broken. Its own changes join the edit's record; edit_undo() takes all of it
 * back, also out of the data index.
 */
struct validation;
/* @is_whole: the tree was built from nothing, so what stands at top level by default is made too. */
struct validation *validation_new(struct edit *edit, bool is_whole);
/*
 * Of an edit of another tree than running, whose constraints need not hold yet: makes defaults and removes what
 * a when has turned off, and checks nothing. A node that the edit put where its when is false stays.
 */
struct validation *validation_new_settling(struct edit *edit);
/* Works for at most a few milliseconds: 1 when there is more to do, 0 when all is valid, or the error. */
int validation_step(struct validation *validation, struct err *err) WARN_UNUSED;
void validation_free(struct validation *validation);
DEFINE_CLEANUP(struct validation *, validation_free)

#endif
