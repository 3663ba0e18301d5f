/* Asks the features of a unit what should exist for it. */
#ifndef ASHLAR_DATASTORE_ASK_H
#define ASHLAR_DATASTORE_ASK_H

#include "edit.h"
#include "refused.h"
#include "schema.h"

/*
 * Makes what the unit wants in *ret_want; NULL: nothing. @edit is the transaction's. What a feature refuses
 * fails it, unless it @is_lenient, or the same was refused already and @edit has not touched it: then what is
 * at fault is left out, added to @refusals, and the rest is wanted.
 */
int ask_unit(const struct unit *unit, const struct edit *edit, bool is_lenient,
	struct refusals *refusals, struct want **ret_want, struct err *err) WARN_UNUSED;

#endif
