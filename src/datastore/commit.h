/* Jobs about the candidate: its edits, commit, discard, and going back from a confirmed commit. */
#ifndef ASHLAR_DATASTORE_COMMIT_H
#define ASHLAR_DATASTORE_COMMIT_H

#include "queue.h"
#include "txn.h"

/* A change of the candidate, in slices; zeroed but for what is asked. */
struct commit_edit {
	struct job *job; /* ended with the result */
	/* The request: a tree or portions, borrowed; both NULL: nothing to apply. */
	struct lyd_node **tree;
	struct portions *portions;
	enum edit_operation operation;
	bool is_ours;	     /* the request is a datastore's content */
	bool is_test;	     /* undone again */
	bool is_tested;	     /* must be valid */
	struct steps *steps; /* instead of a test a plan, into this; NULL: none */
	bool is_running;     /* instead of a request: the candidate becomes what running is */

	struct edit edit;
	struct loop_task *task;
	struct validation *settling;
	size_t noted;
	bool is_begun, is_applied, is_settled;
	bool was_edited; /* the candidate, before */
};

void commit_edit_start(struct commit_edit *commit);
void commit_edit_done(struct commit_edit *commit); /* frees what it holds */
void commit_init(void);
/* Drops what the session had begun with the candidate it had locked. */
void commit_discard_soon(void);

#endif
