/* A wanted container as text: to compare two, and to find one again after a restart. */
#ifndef CONTAINERS_RECORD_H
#define CONTAINERS_RECORD_H

#include "ashlar/containers.h"

/* Only what is wanted; the same for the same. Malloc'd. */
char *record_print(const struct container *container);
/* Fills in the wanted part of a zeroed container; -EBADMSG. */
int record_parse(const char *text, size_t size, struct container *container) WARN_UNUSED;

#endif
