/* Defaults and choices: what stands below a parent because nothing else does. */
#ifndef ASHLAR_DATASTORE_SETTLE_H
#define ASHLAR_DATASTORE_SETTLE_H

#include "validate.h"

enum case_state {
	CASE_ABSENT,
	CASE_DEFAULT, /* holds only defaults */
	CASE_EXPLICIT,
};

/* What there is of a case or choice below @parent. */
enum case_state settle_case(
	struct validation *v, struct lyd_node *parent, const struct lysc_node *holder);
/* Makes what is to stand below a parent by default, and removes defaults of cases not chosen. */
int settle_parent(struct validation *v, struct lyd_node *parent, struct err *err) WARN_UNUSED;
/* The same for one child, which is absent; whether it must be there is to be looked at. */
int settle_one(struct validation *v, struct lyd_node *parent, const struct lysc_node *schema,
	struct err *err) WARN_UNUSED;
/* A top-level container without presence that was removed comes back empty. */
int settle_top(struct validation *v, const struct edit_event *event, struct err *err) WARN_UNUSED;
/* The same for the top level of all modules; 1 when done. */
int settle_all(struct validation *v, struct err *err) WARN_UNUSED;

#endif
