/*
 * Expressions that only ask which identity a leaf holds: derived-from-or-self(LEAF, 'IDENTITY'), several of
 * them joined by "or", or not(…) of those. Most whens are such, and are answered without XPath.
 */
#ifndef ASHLAR_DATASTORE_DERIVED_H
#define ASHLAR_DATASTORE_DERIVED_H

#include "ashlar/yang.h"

struct constraint;
struct derived;

/* NULL: the expression is of another kind. */
struct derived *derived_new(const struct constraint *constraint);
void derived_free(struct derived *derived);
/* Levels from the expression's context up to the leaf's parent. */
unsigned derived_levels(const struct derived *derived);
/* The verdict with @parent as the leaf's parent: 1, 0, or -ENOTSUP where the leaf holds no identity. */
int derived_holds(const struct derived *derived, const struct lyd_node *parent);

#endif
