/* Whether expressions hold, and what follows for the nodes that stand under a when. */
#ifndef ASHLAR_DATASTORE_WHEN_H
#define ASHLAR_DATASTORE_WHEN_H

#include "validate.h"

/* A must's or when's expression on its context node. */
int when_evaluate(const struct constraint *constraint, const struct lyd_node *context,
	bool *ret_true, struct err *err) WARN_UNUSED;
/* All whens that govern @schema, of which @node is the instance below @parent (NULL: absent). */
int when_all_hold(struct validation *v, const struct lysc_node *schema, struct lyd_node *parent,
	const struct lyd_node *node, bool *ret_true, struct err *err) WARN_UNUSED;
/* The whens on a choice, and on those around it, when nothing of it is there. */
int when_choice_holds(struct validation *v, const struct lysc_node *choice, struct lyd_node *parent,
	bool *ret_true, struct err *err) WARN_UNUSED;
/* Keeps, removes or doubts the instances below the check's node. */
int when_check(struct validation *v, const struct check *check, struct err *err) WARN_UNUSED;
/* What a when refused may stand after all, once everything has settled; else that is an error. */
int when_check_denied(struct validation *v, const struct check *check, struct err *err) WARN_UNUSED;

#endif
