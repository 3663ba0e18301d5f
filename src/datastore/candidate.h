/*
 * The candidate datastore (RFC 6241 section 8.3), shared by all sessions.
 *
 * Untouched it is running itself. Its first edit gives it a tree of its own, copied once, and from then on
 * the paths are kept at which the two may differ, whichever of them changed: commit, discard and catching
 * up with running compare those and nothing else. A tree that has long had nothing to say is given up.
 */
#ifndef ASHLAR_DATASTORE_CANDIDATE_H
#define ASHLAR_DATASTORE_CANDIDATE_H

#include "edit.h"

/* Somebody has edited it since it was last the same as running. */
bool candidate_is_edited(void);
/* Its first top-level node, for reading: running's while it is not edited. */
struct lyd_node *candidate_tree(void);
/*
 * Makes its own tree what an edit can start from. Works for a few milliseconds: 1 when there is more to do, 0
 * when it is done.
 */
int candidate_prepare(struct err *err) WARN_UNUSED;
/* The tree to be edited, after candidate_prepare(). */
struct lyd_node **candidate_own_tree(void);
/*
 * Remembers what an edit changed, in running or here, before edit_keep() and in slices like
 * candidate_prepare(); *at (from 0) is where it goes on.
 */
int candidate_note(const struct edit *edit, size_t *at) WARN_UNUSED;
/* An edit was made here; or, of one that is undone, was not. */
void candidate_set_edited(bool is_edited);
/* Makes running what the candidate is: the build() of a transaction. 1: there is more to do. */
int candidate_build(struct edit *edit, struct err *err) WARN_UNUSED;
/* Starts candidate_build() from the beginning. */
void candidate_build_start(void);
/* Running is now what it is. */
void candidate_committed(void);
/* Makes it what running is, in slices like candidate_prepare(). */
int candidate_discard(struct err *err) WARN_UNUSED;
void candidate_done(void);

#endif
