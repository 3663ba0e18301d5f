/*
 * What was told of containers that hold entries without keys is kept as text: such entries cannot be told
 * apart, so that all are sent when one changes, and libyang needs a time that grows with the square of
 * their number to make a tree of them.
 */
#ifndef ASHLAR_DATASTORE_PUSH_ROWS_H
#define ASHLAR_DATASTORE_PUSH_ROWS_H

#include "ashlar/datastore.h"
#include "ashlar/map.h"

struct push_row {
	char *path;
	const struct lysc_node *schema;
	char *text; /* the container's content */
	size_t size;
};

/* Zeroed: none. */
struct push_rows {
	struct map by_path; /* instance path of the container → struct push_row * */
};

void push_rows_done(struct push_rows *rows);
/* What of a text is to be kept as a tree: appended to @out. */
void push_rows_cut(const struct buf *text, const struct ds_rows *found, struct buf *out);
/* Keeps the @index-th as what was told. True: it is not what was told before. */
bool push_rows_put(
	struct push_rows *rows, const struct buf *text, const struct ds_rows *found, size_t index);
/* Forgets those at and below @path (NULL: all) that are not among @found. */
void push_rows_retain(struct push_rows *rows, const char *path, const struct ds_rows *found);
/* NULL: that was not told, or holds no such entries. */
const struct push_row *push_rows_get(const struct push_rows *rows, const char *path);
/* The container as a document of its own: an XML element or a JSON object. */
void push_row_print(const struct push_row *row, enum format format, struct buf *out);

#endif
