/*
 * The transaction: edit → fill → validate → check → want → plan → apply → commit, or undo all of it. The
 * only way running changes, and the only file that joins configuration to the device.
 */
#ifndef ASHLAR_DATASTORE_TXN_H
#define ASHLAR_DATASTORE_TXN_H

#include "access.h"
#include "edit.h"
#include "steps.h"

struct txn;

enum txn_source {
	TXN_REQUEST, /* a client's edit: strict, journalled */
	TXN_BOOT,    /* everything, as good as it goes; ends with a checkpoint */
	TXN_RESTORE, /* a return to what was: best effort like a boot, journalled like a request */
	TXN_TEST,    /* validated and undone */
	TXN_PLAN,    /* a request, up to its plan, and undone */
	TXN_CHECK,   /* what a boot would make of it, undone; what it refused stays noted */
};

struct txn_opts {
	enum txn_source source;
	const struct access *access; /* NULL: no access control; referenced */
	enum edit_operation operation;
	struct lyd_node **request; /* what edit_apply() takes; borrowed until done */
	bool is_ours; /* the request is a datastore's content, not the client's words; a build always is */
	struct portions *portions; /* instead: the request piece by piece; borrowed until done */
	/* Instead of a request: changes the tree; 1: there is more to do. May be NULL. */
	int (*build)(struct edit *edit, struct err *err);
	void (*done)(const struct err *err, void *arg);
	void *arg;
	struct steps *steps; /* of TXN_PLAN: filled in, complete when it is done */
	/* Told after a failure undid everything, or success: for the log. */
	const struct ds_client *client;
};

/* Runs it; opts->done is called once, possibly before this returns. One at a time. */
void txn_run(const struct txn_opts *opts);
/* Converges the units whose objects were changed from outside, or are worth another try. */
void txn_converge_dirty(void (*done)(const struct err *err, void *arg), void *arg);
/* One is under way: running may be half changed. */
bool txn_is_running(void);
void txn_done(void);

#endif
