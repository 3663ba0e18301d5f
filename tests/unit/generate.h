/*
 * Random edits for any schema: text of an edit as a client would send it, with values that the types allow
 * and operations that now fit the tree and now do not. What the whole makes of the constraints is for the
 * tested to say.
 */
#ifndef TESTS_UNIT_GENERATE_H
#define TESTS_UNIT_GENERATE_H

#include <stdint.h>

#include "ashlar/buf.h"
#include "ashlar/yang.h"

/* What libyang 2.1 leaks, of schemas and of values it refuses, is no concern of these tests. */
void generate_ignore_leaks(bool ignore);
/* After yang_init(): looks at all top-level configuration; the seed is $TEST_SEED or 1, and printed. */
void generate_init(void);
void generate_done(void);
/* Schema paths of all top-level configuration, ending with NULL: what a feature that owns everything owns. */
const char *const *generate_roots(void);
unsigned generate_below(unsigned limit);
/* Appends one edit (RFC 7951 text with ietf-netconf:operation and yang:insert annotations). */
void generate_edit(struct buf *text, const struct lyd_node *tree);

#endif
