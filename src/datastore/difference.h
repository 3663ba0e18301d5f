/*
 * What must be done to one tree to make it another: for comparing configurations whole, which takes as long as
 * they are large and is therefore a child process's work.
 */
#ifndef ASHLAR_DATASTORE_DIFFERENCE_H
#define ASHLAR_DATASTORE_DIFFERENCE_H

#include "edit.h"

/*
 * Begins an edit of *@from and makes of it @to, which is taken, but for what only stands there by default. The
 * edit holds the least that does it.
 */
int difference_apply(struct edit *edit, struct lyd_node **from, struct lyd_node *to,
	struct err *err) WARN_UNUSED;

#endif
