/*
 * The file of history: a row of sealed records (record.h), each an entry or a whole configuration. What the
 * last whole configuration and the entries behind it come to is what the latest entry led to.
 */
#ifndef ASHLAR_DATASTORE_HISTORY_FILE_H
#define ASHLAR_DATASTORE_HISTORY_FILE_H

#include "history.h"

struct history_file {
	char *text;
	size_t size, good; /* good: up to where it could be read */
	struct history_entry *entries;
	size_t count, room;
	size_t configuration_at, configuration_size; /* the last whole one; size 0: none */
	uint32_t configuration_id;		     /* the entry that led to it */
};

char *history_file_path(void);
/* Appends the file's first bytes. */
int history_file_begin(struct buf *text) WARN_UNUSED;
int history_file_put(struct buf *text, const struct history_entry *entry) WARN_UNUSED;
int history_file_put_configuration(
	struct buf *text, uint32_t id, const struct lyd_node *tree, struct err *err) WARN_UNUSED;
/* Reads it: as much of it as is whole. -ENOENT; -EBADMSG when it is no such file. */
int history_file_read(struct history_file *file, struct err *err) WARN_UNUSED;
/* Makes of it the configuration that its latest entry led to; the caller frees *ret_tree. */
int history_file_tree(
	const struct history_file *file, struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
/* Frees all but the entries that were moved out of it. */
void history_file_done(struct history_file *file);

void history_entry_done(struct history_entry *entry);

#endif
