/*
 * What has changed between what a subscriber was told and what is there now, as edits of a YANG patch
 * (RFC 8641 section 3.5.2, RFC 8072). Of several changes of a node the last one counts; values are taken
 * when the edits are printed.
 */
#ifndef ASHLAR_DATASTORE_PUSH_DIFF_H
#define ASHLAR_DATASTORE_PUSH_DIFF_H

#include "ashlar/map.h"
#include "ashlar/push.h"

#include "push-rows.h"

struct push_edit;

/* Zeroed: none. */
struct push_edits {
	struct push_edit *
		*list; /* in the order of the last changes; NULL where one was taken out */
	size_t count, room, live;
	struct map by_path; /* instance path → struct push_edit * */
	unsigned excluded;  /* bits 1U << enum push_change that are left out */
};

#define PUSH_EDITS_MAX 10000

void push_edits_done(struct push_edits *edits);
/*
 * Compares what is at @path (NULL: everything) in both trees, adding the edits that make one of the other.
 * False when there are too many.
 */
bool push_diff(struct push_edits *edits, const struct lyd_node *told, const struct lyd_node *now,
	const char *path);
/*
 * What is in the container at @path of @now is not what was told, but is kept elsewhere (push-rows.h). False
 * when there are too many.
 */
bool push_diff_rows(struct push_edits *edits, const struct lyd_node *now, const char *path);
/*
 * <edit> elements, or the members of a JSON array, with values from @told, and what is in some containers
 * from @rows (NULL: there are none such).
 */
int push_edits_print(const struct push_edits *edits, const struct lyd_node *told,
	const struct push_rows *rows, enum format format, struct buf *out,
	struct err *err) WARN_UNUSED;

#endif
