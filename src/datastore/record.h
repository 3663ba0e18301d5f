/*
 * The changes of an edit as text: what the journal keeps, what a confirmed commit goes back by, and what
 * history is made of.
 *
 * A record is a row of entries {kind, size, text}. What was made is kept as a JSON document with its
 * parents, to be merged; a changed leaf as its path and value; what was removed as its path; what was
 * moved as its path and that of its successor; what has other annotations as its path and these.
 */
#ifndef ASHLAR_DATASTORE_RECORD_H
#define ASHLAR_DATASTORE_RECORD_H

#include "edit.h"

/*
 * Appends what makes of the tree before the edit the tree after it; what validation did of its own accord
 * is left out, as it does so again. While the edit's nodes are at hand.
 */
int record_changes(struct buf *record, const struct edit *edit, struct err *err) WARN_UNUSED;
/* Appends the reverse: what makes of the tree after the edit the tree before it. */
int record_reverse(struct buf *record, const struct edit *edit, struct err *err) WARN_UNUSED;
/* The same in slices of a few milliseconds: 1 when there is more to do. *@done, from 0, is how far it is. */
int record_reverse_some(
	struct buf *record, const struct edit *edit, size_t *done, struct err *err) WARN_UNUSED;
/*
 * Applies the entries, or as many as a few milliseconds allow: *at is the offset to go on from. 1 when there
 * is more to do, 0 at the end. Access control is the edit's.
 */
int record_replay(
	struct edit *edit, const char *data, size_t size, size_t *at, struct err *err) WARN_UNUSED;

/*
 * A record in a file: behind its size and a checksum, which finds torn writes. record_unseal() gives the one
 * at *at, which moves on: 1; 0: no whole one is left.
 */
int record_seal(struct buf *file, const char *data, size_t size) WARN_UNUSED;
int record_unseal(const char *file, size_t file_size, size_t *at, const char **ret_data,
	size_t *ret_size) WARN_UNUSED;

/* One entry of a record, for those who show it. */
enum record_kind {
	RECORD_MERGE = 'M',
	RECORD_SET = 'S',    /* path, zero byte, value */
	RECORD_REMOVE = 'R', /* path */
	RECORD_MOVE = 'V',   /* path, zero byte, path of the successor or nothing */
	RECORD_ANNOTATE =
		'A', /* path, zero byte, the node alone with all its annotations, as JSON */
};
struct record_entry {
	enum record_kind kind;
	const char *text; /* in the record; not terminated */
	size_t size;
};
/* 1: *ret_entry is the entry at *at, which moves on; 0: the end; -EBADMSG. */
int record_next(
	const char *data, size_t size, size_t *at, struct record_entry *ret_entry) WARN_UNUSED;

#endif
