/*
 * YANG-push (RFC 8641): what a datastore holds, sent from time to time, or each change of it. One
 * subscription reads as its client would: through its filter, and what the client may not see is not there.
 */
#ifndef ASHLAR_PUSH_H
#define ASHLAR_PUSH_H

#include "ashlar/notify.h"

#define PUSH_PERIOD_MIN_CS 10 /* hundredths of a second */

enum push_change {
	PUSH_CREATE,
	PUSH_DELETE,
	PUSH_INSERT,
	PUSH_MOVE,
	PUSH_REPLACE,
	PUSH_CHANGES,
};

enum push_trouble {
	PUSH_SLOW,    /* its reader does not keep up */
	PUSH_TOO_BIG, /* it would take more memory than there is for all */
};

struct push_opts {
	struct ds_client client; /* the user is copied */
	enum ds ds;
	enum format format; /* of what is given */
	struct notify_filter filter;
	bool is_on_change;
	/* Periodic: */
	uint32_t period_cs;
	bool has_anchor;
	struct timespec anchor;
	/* On change: */
	uint32_t dampening_cs;
	bool sync_on_start;
	unsigned excluded; /* bits 1U << enum push_change */

	/* Is there room for a message? If not, push_resume() tells of it. */
	bool (*is_ready)(void *arg);
	/*
	 * Everything selected, as XML elements or the members of a JSON object. Incomplete: it could not be
	 * read. Takes the bytes.
	 */
	void (*update)(struct timespec when, struct buf *contents, bool is_incomplete, void *arg);
	/* Changes, as the <edit> elements of a patch, or the members of a JSON array. */
	void (*changes)(
		struct timespec when, uint32_t patch_id, const struct buf *edits, void *arg);
	/*
	 * Nothing is sent until it is told otherwise: when its reader is back, or there is room. Then
	 * everything follows.
	 */
	void (*suspended)(enum push_trouble trouble, void *arg);
	void (*resumed)(void *arg);
	void *arg;
};

struct push;
/* Can changes in this datastore be told? */
bool push_has_changes(enum ds ds);
/* Does the filter select anything whose changes are noticed? */
bool push_filter_can_change(const struct notify_filter *filter);
/* Its callbacks come from later turns of the loop; all may free it. Takes the filter. */
struct push *push_new(struct push_opts *opts);
void push_free(struct push *push);
/* Other terms: the filter, the times. It begins anew with them. Takes the filter. */
void push_modify(struct push *push, struct push_opts *opts);
/* Would one with such a filter, to changes, be suspended at once, as PUSH_TOO_BIG? As far as is known. */
bool push_is_full(enum ds ds, const struct notify_filter *filter);
/* Sends everything again, when the reader takes it. False: it is suspended, and there is no room for that. */
bool push_resync(struct push *push);
void push_resume(struct push *push);

#endif
