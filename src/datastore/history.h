/*
 * What has been done to running: an entry for each transaction that changed it, with who did it and how it is
 * taken back, so that any configuration between the oldest entry and the latest can be made again.
 *
 * The entries are kept in memory and written behind, gathered, to a file in the state directory, from which a
 * daemon that starts takes them up. Limits on their number and bytes let the oldest go first.
 */
#ifndef ASHLAR_DATASTORE_HISTORY_H
#define ASHLAR_DATASTORE_HISTORY_H

#include "edit.h"

#define HISTORY_ENTRIES_MAX 100
#define HISTORY_BYTES_MAX   (4 * 1024 * 1024) /* of all records in memory */

struct history_entry {
	struct ds_history_entry shown; /* texts are owned */
	/* What makes of the configuration before it its own, until that is in the file; NULL: too large, and
	 * the file begins anew with a whole configuration. */
	char *forward;
	size_t forward_size;
	/* The way back to the entry before; NULL in the oldest, whose way back nobody needs. */
	char *reverse;
	size_t reverse_size;
	bool is_written;
};

void history_init(void);
/*
 * Once running stands: takes up what the file has. Where running is not what the latest entry led to, an entry
 * with @comment says so.
 */
void history_start(const char *comment, ds_done_fn done, void *arg);
/*
 * A transaction is done: its records (record.h) are taken. @forward may be empty, when it is too large to be
 * kept, and so may @reverse: then history begins with this entry. @client NULL: the daemon itself.
 */
void history_add(const struct ds_client *client, const char *comment, struct buf *forward,
	struct buf *reverse);
/* Oldest first. */
size_t history_count(void);
const struct history_entry *history_at(size_t index);
/* Its index; -1: no such entry is kept. */
long history_find(uint32_t id);
/* Writes what is not written yet, at once. @is_settled: no transaction is under way. */
void history_save_now(bool is_settled);
void history_done(void);

#endif
