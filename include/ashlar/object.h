/*
 * Objects: the things that can exist on the device (a link, an address, a route, a container …),
 * either wanted by configuration or observed. Knows neither YANG nor netlink.
 */
#ifndef ASHLAR_OBJECT_H
#define ASHLAR_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/list.h"
#include "ashlar/mem.h"

struct object;
struct object_kind;
struct target;
struct want;

#define OBJECT_GROUPS_MAX 8

/* Names an object without owning it. */
struct object_ref {
	const struct object_kind *kind;
	const char *key;
	uint32_t at; /* place among those that need the same */
};

/* Why a wanted object is not there. */
struct object_trouble {
	struct list node; /* in the state's list of pending objects, while it is in force */
	struct object *object;
	char *reason; /* NULL: not told */
};

/*
 * Every kind's own struct begins with this. A wanted object lives in the struct want of its unit, an
 * observed one in have; copies kept for undo live in their plan.
 */
struct object {
	const struct object_kind *kind;
	const char *
		key; /* unique within the kind: "br0", "br0 192.0.2.1/24"; behind the kind's struct */
	struct want *want; /* whose; NULL for observed ones */
	union {
		struct { /* wanted */
			const char
				*path; /* static; data node at fault, relative to the unit, or "" */
			struct object_ref
				*needs; /* must exist before this one can; keys are owned */
			struct object_trouble *trouble; /* NULL: none */
			struct list dirty; /* in the state's list of objects to look at again */
		};
		uint32_t group_at[OBJECT_GROUPS_MAX]; /* observed: places in its groups */
	};
	uint16_t needs_count;
	bool is_pending; /* wanted, but what it needs is absent or the device refused it */
	bool is_refused; /* pending because the device refused it */
	bool is_coming;	 /* while a plan is made: it adds this (wanted) one */
	bool is_going;	 /* while a plan is made: it removes this (observed) one */
	bool needs_any; /* wanted: one of its needs will do, and it is looked at again whenever one comes */
	uint8_t tries; /* times the device took it and it was not there afterwards */
};

enum object_diff {
	OBJECT_SAME,	 /* what is wanted is there */
	OBJECT_CHANGE,	 /* can be changed in place */
	OBJECT_RECREATE, /* must be removed and added again */
};

enum object_owner {
	OBJECT_OURS,	/* made by us, or configured */
	OBJECT_FOREIGN, /* made by others: shown, left alone unless configuration names it */
	OBJECT_LEARNED, /* made by the kernel or a protocol */
};

/* One row a kind; a const table. Nothing here blocks. */
struct object_kind {
	const char *name; /* "link", "address" … for logs and plans */
	/* Adding goes up in rank, removing down; within a rank needs decide. */
	unsigned rank;
	size_t size; /* of the kind's struct */
	const struct target *target;
	/*
	 * Looks only at what @want says; @was is what the same unit wanted before (NULL: unknown): an
	 * attribute wanted then and not now goes back to its default. Pure.
	 */
	enum object_diff (*compare)(
		const struct object *want, const struct object *was, const struct object *have);
	/* Deep copy of what the kind's struct owns beyond struct object, after it was copied byte by
	 * byte. NULL: it owns nothing. */
	void (*copy)(struct object *to, const struct object *from);
	/* Frees what the kind's struct owns beyond struct object. NULL: nothing. */
	void (*done)(struct object *object);
	/* Whether two wanted ones ask for the same. NULL: if they are so byte by byte, and own nothing. */
	bool (*equal)(const struct object *a, const struct object *b);
	/*
	 * Observed @have stands in the way of adding @want (another kind's or key's): it must be removed
	 * before. NULL: never.
	 */
	bool (*blocks)(const struct object *have, const struct object *want);
	/*
	 * Of kinds that are removed last: what it shares with others (a VLAN of a bridge), as a number. One that
	 * goes from where another comes goes before that; so does, with 0, one that is to go first in any case.
	 * NULL: they share nothing.
	 */
	uint64_t (*place)(const struct object *object);
	/* Whether STEP_REMOVE really makes it vanish, with all that needs it; NULL: yes. A port that exists
	 * by itself is only given back. */
	bool (*vanishes)(const struct object *have);
	/* Whether observed @have goes when @gone does, which the wanted one of its key needs. NULL: yes, but one of
	 * its own kind only changes (a port outlives its bridge). */
	bool (*goes_with)(const struct object *have, const char *gone);
	/* Key of the one that goes whenever this one does, and comes with it (the other end of a pair), or
	 * NULL. NULL: there is none. */
	const char *(*twin)(const struct object *have);
	/* The kind of another object with the same key that vanishes when @have is changed into @want (@was as with
	 * compare), or NULL. NULL: there never is. */
	const struct object_kind *(*takes_along)(
		const struct object *want, const struct object *was, const struct object *have);
	/* Whether STEP_ADD can make it; NULL: yes. What exists by itself only is waited for. */
	bool (*can_be_added)(const struct object *want);
	/* Whether two observed ones of one key are the same thing, and not another that came in its place.
	 * NULL: they are. */
	bool (*is_same)(const struct object *one, const struct object *other);
	/* Order among steps of one rank and depth (VLANs of one port beside each other); NULL: as they came. */
	int (*order)(const struct object *a, const struct object *b);
	/* While another one of the same key is wanted that cannot be yet, this one goes. */
	bool stands_alone;
	/* Removed after everything else was done, unless it blocks something (see plan.c). */
	bool is_removed_last;
	/* What is said of a missing one: "does not exist" (NULL), "is down". */
	const char *absent;
	/* "address 192.0.2.1/24 on br0"; for plans, logs and errors. */
	void (*describe)(const struct object *object, char *text, size_t size);
	/* Who made this observed object. What is OBJECT_OURS and wanted by nobody is removed when everything
	 * is converged (PLAN_WHOLE). NULL: nobody knows, it stays. */
	enum object_owner (*owner)(const struct object *have);
	/*
	 * What else this observed object is found by, beside its key: an address by its link. Up to
	 * OBJECT_GROUPS_MAX names into @ret_names, borrowed, unchanged while it is in have; returns how
	 * many. NULL: nothing. See have_group().
	 */
	size_t (*groups)(const struct object *have, const char **ret_names);
	/* Reads again the values that no notification tells (counters): of @key, or of all (NULL).
	 * Answers within the call. NULL: there are none. */
	int (*refresh)(const char *key, struct err *err);
};

/* A zeroed object of the kind with a copy of @key. */
void *object_new(const struct object_kind *kind, const char *key);
/* A deep copy without want, needs, path and pending state. */
void *object_copy(const struct object *object);
/* NULL is fine; removes it from the dirty list. */
void object_free(struct object *object);
void object_describe(const struct object *object, char *text, size_t size);
/* Why a wanted object is pending; NULL: it is not, or it is not told. */
const char *object_reason(const struct object *object);

enum step_op {
	STEP_ADD,    /* make want */
	STEP_CHANGE, /* turn have into want */
	STEP_REMOVE, /* remove have (or, what cannot be removed, give it back: defaults) */
};

/* One act of a plan. */
struct step {
	enum step_op op;
	const struct object *want; /* ADD, CHANGE */
	const struct object *was;  /* CHANGE, REMOVE: wanted before; may be NULL */
	struct object *have; /* CHANGE, REMOVE: a copy of what was observed; owned by the plan */
	bool is_done;	     /* set by the target: it took effect, in whole or in part */
	int error;	     /* set by the target: negative errno, 0 */
	struct err err;	     /* set with error: the device's own words, path relative to unit */
};

/* What can read and change some kinds of objects. */
struct target {
	const char *name;
	/* What a done step has changed is in have when apply() has dealt with it; if not, it was in vain. */
	bool is_immediate;
	/*
	 * Performs steps[0 … count - 1] in order, at least one, as many as a few milliseconds allow, and
	 * returns how many it has dealt with; each of those has is_done or error set. With @stop_on_error
	 * nothing after the first failed step is begun, but what was already in the same batch may have
	 * been done too: is_done tells. Without it all are tried.
	 * What it did is already seen in have when it returns, as far as the device reports it at once.
	 *
	 * 0: it is at work on the first of them and calls apply_resume() when it has got on; then it is
	 * asked with the same steps again.
	 */
	size_t (*apply)(struct step *const *steps, size_t count, bool stop_on_error);
	/* The steps at work are about to be freed: forget them. NULL when apply() never returns 0. */
	void (*cancel)(void);
};

#endif
