/* Trees that go: out of sight at once, off the disk by a child process. */
#ifndef CONTAINERS_TRASH_H
#define CONTAINERS_TRASH_H

#include "ashlar/err.h"

/* What an earlier daemon left goes now. */
void trash_init(void);
void trash_done(void);
/* @path is on the file system of STATE-DIR; an absent one is fine. */
int trash_put(const char *path, struct err *err) WARN_UNUSED;
/* Half-unpacked images; for when no job is running. */
void trash_unfinished(void);

#endif
