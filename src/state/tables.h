/* What want, have and plan share: the objects of each kind, by key. */
#ifndef ASHLAR_STATE_TABLES_H
#define ASHLAR_STATE_TABLES_H

#include "ashlar/map.h"
#include "ashlar/state.h"

/* Some objects under one name. */
struct members {
	char *name;
	void **items;
	size_t count, room;
};

struct kind_table {
	const struct object_kind *kind;
	struct map wanted; /* key → struct object * */
	struct map have;   /* key → struct object * */
	struct map needed; /* key → struct members: wanted objects that need it */
	struct map groups; /* name → struct members: observed objects found by it */
};

/* Never NULL. */
struct kind_table *tables_of(const struct object_kind *kind);
/* Goes through all tables: index from 0; NULL at the end. */
struct kind_table *tables_at(size_t index);

void members_add(struct map *map, const char *name, void *item);
void members_remove(struct map *map, const char *name, void *item);
struct members *members_get(const struct map *map, const char *name);

/* The wanted object is to be looked at again. */
void want_mark_dirty(struct object *wanted);
/* Something appeared: what the device refused before is worth another try. */
void want_mark_refused_dirty(void);
/* Whether what the object needs is observed; else the first that is not. */
const struct object_ref *want_missing_need(const struct object *wanted);

/* Pending, with its reason (NULL: not any more). */
void want_set_pending(struct object *wanted, const char *reason);

#endif
