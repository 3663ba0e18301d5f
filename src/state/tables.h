/* What want, have, plan and apply share: the objects of each kind, by key. */
#ifndef ASHLAR_STATE_TABLES_H
#define ASHLAR_STATE_TABLES_H

#include "ashlar/map.h"
#include "ashlar/state.h"

/* Some objects under one name; mostly one. */
struct members {
	void **items;
	uint32_t count, room;
	void *first; /* room for one */
	char name[];
};

/* What was observed when a strict run began, of an object that has changed since. */
struct former {
	struct object *object; /* NULL: it was not there */
	bool is_added;	       /* a step of the run has added it */
	char key[];
};

struct kind_table {
	const struct object_kind *kind;
	struct map wanted; /* key → struct object * */
	struct map have;   /* key → struct object * */
	struct map needed; /* key → struct members: wanted objects that need it */
	struct map groups; /* name → struct members: observed objects found by it */
	struct map former; /* key → struct former *: see have_keep_former() */
	void (*listener)(const struct object *was, const struct object *now); /* NULL: none */
	uint64_t changed_ms; /* see have_changed_ms() */
};

/* Never NULL. */
struct kind_table *tables_of(const struct object_kind *kind);
/* Goes through all tables: index from 0; NULL at the end. */
struct kind_table *tables_at(size_t index);

/* Returns the item's place. */
uint32_t members_add(struct map *map, const char *name, void *item);
/* Returns the item that has taken the place; NULL: none. */
void *members_remove(struct map *map, const char *name, uint32_t at);
struct members *members_get(const struct map *map, const char *name);
void members_done(struct map *map);

/* --- want ------------------------------------------------------------------------------------- */

/* The wanted object is to be looked at again: at once, or (refused before) after a while. */
void want_mark_dirty(struct object *wanted);
/* What is observed of it has changed: marks it, or unmarks it when all is as wanted now. */
void want_look_at(struct object *wanted);
/* Something appeared: what the device refused before is worth another try, but not all the time. */
void want_retry_refused(void);
/* Whether what the object needs is observed; else the first that is not. */
const struct object_ref *want_missing_need(const struct object *wanted);
/* "eth0 does not exist". */
const char *want_missing_text(char *text, size_t size, const struct object_ref *need);

enum want_state {
	WANT_SETTLED,
	WANT_WAITING, /* for what it needs */
	WANT_REFUSED, /* by the device */
};
/* @reason is NULL for WANT_SETTLED. */
void want_set_state(struct object *wanted, enum want_state state, const char *reason);

/* --- have ------------------------------------------------------------------------------------- */

/* From now on what changes in have is kept as it was, for undoing; one run at a time. */
void have_keep_former(void);
/* Ends that, so that undoing itself is not noted; what was kept stays until have_drop_former(). */
void have_stop_former(void);
void have_drop_former(void);
/* The same in slices; true: all of it is gone. */
bool have_release_former(void);
/* What is wanted waits from now on, or does not any more: those who are told of changes hear of it. */
void have_tell_of(const struct object *wanted);
struct former *have_former(const struct object_kind *kind, const char *key);

#endif
