/*
 * The startup datastore: a file in Infix's layout (RFC 7951 JSON), read when asked for and written from a
 * forked child, so that the loop neither prints a large tree nor waits for a disk.
 */
#ifndef ASHLAR_DATASTORE_PERSIST_H
#define ASHLAR_DATASTORE_PERSIST_H

#include "ashlar/datastore.h"

/*
 * Reads a configuration file into *ret_tree, without what cannot be applied; with @keep that is kept
 * (kept.h; instead of what was kept before), else it is only left out. -ENOENT when there is no file.
 */
int persist_load(
	const char *path, bool keep, struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
/* The startup datastore as it is now; an absent file is an empty one. The caller frees. */
int persist_startup_tree(struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
#define PERSIST_PREVIOUS 3 /* files that are kept beside startup as they were before */
/* "/cfg/startup-config.cfg" (0), and those before it: ".1", the youngest, to ".3"; malloc'd. */
char *persist_path(unsigned age);
/* Writes @tree as startup (the tree may be changed or freed as soon as this returns). One at a time:
 * callers are serialised by the transaction queue. */
void persist_save(const struct lyd_node *tree, ds_done_fn done, void *arg);
/* The same, at once: true when it is written. When nothing else is going on any more. */
bool persist_save_now(const struct lyd_node *tree);
/* Removes the file. */
void persist_delete(ds_done_fn done, void *arg);
/* Stops what is going on. */
void persist_done(void);

#endif
