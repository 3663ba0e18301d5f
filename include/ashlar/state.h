/*
 * Wanted and observed state, and the way from one to the other.
 *
 *   want   what each unit of configuration asks for
 *   have   what was observed, indexed by kind and key
 *   plan   ordered steps, each with its inverse, that turn have into want for some units
 *   apply  runs a plan
 */
#ifndef ASHLAR_STATE_H
#define ASHLAR_STATE_H

#include "ashlar/object.h"

/* --- want ------------------------------------------------------------------------------------- */

/* What one unit wants. @unit_path is the instance path of the unit's data node. */
struct want *want_new(const char *unit_path);
void want_free(struct want *want);
DEFINE_CLEANUP(struct want *, want_free)
const char *want_unit_path(const struct want *want);
/*
 * The object of @kind and @key in this unit, made (zeroed) when it is not there yet: several features
 * fill in one object, each its own attributes. @path (static, or by want_path()) is the node at fault when
 * it fails, relative to the unit; the first caller's counts.
 */
void *want_object(
	struct want *want, const struct object_kind *kind, const char *key, const char *path);
/* A copy of a path that is not static: lives as long as the want. */
const char *want_path(struct want *want, const char *path);
void *want_find(const struct want *want, const struct object_kind *kind, const char *key);
/* @object cannot exist before @kind @key does. Repeating is fine. */
void want_needs(void *object, const struct object_kind *kind, const char *key);
/* One of what @object needs will do, and it is looked at again whenever another one of them appears. */
void want_needs_any(void *object);
size_t want_count(const struct want *want);
struct object *want_at(const struct want *want, size_t index);

/* The whole wanted state: a want a unit. */
void state_init(void);
void state_done(void);
/* Current want of a unit; NULL: none. */
struct want *state_unit(const char *unit_path);
/*
 * Makes @want (may be NULL) what @unit_path wants and hands back what it wanted before in *ret_old
 * (may be NULL afterwards; the caller frees or puts it back). Takes ownership of @want on success.
 * -EEXIST when another unit wants the same object: err names both, nothing is changed.
 */
int state_exchange(const char *unit_path, struct want *want, struct want **ret_old,
	struct err *err) WARN_UNUSED;
/* The wanted object; NULL: nobody wants it. */
struct object *state_wanted(const struct object_kind *kind, const char *key);
/* What is observed besides has changed what the wanted object comes down to: it is compared again. */
void state_look_at(const struct object_kind *kind, const char *key);
/* The observed object can do now what it could not: what needs it and is pending, or has
 * other needs as well, is worth another try. */
void state_retry_needing(const struct object_kind *kind, const char *key);
/* Calls back for each wanted object that needs @kind @key; none may come or go meanwhile. */
void state_each_needing(const struct object_kind *kind, const char *key,
	void (*callback)(const struct object *object, void *arg), void *arg);
/* Calls back for each pending object (its ->reason tells why). */
void state_each_pending(void (*callback)(const struct object *object, void *arg), void *arg);
size_t state_pending_count(void);

/* --- have ------------------------------------------------------------------------------------- */

struct have;
struct have *have_all(void); /* the one observed state */
/* Takes ownership; replaces what has the same key. Marks the wanted object of that key dirty, and
 * the pending ones that need it. */
void have_put(struct object *observed);
/* Also marks dirty. An absent one is fine. */
void have_remove(const struct object_kind *kind, const char *key);
void *have_get(const struct have *have, const struct object_kind *kind, const char *key);
/* Iterates the objects of one kind, in no order: size_t at = 0; while ((o = have_next(…, &at))).
 * Nothing may be put or removed meanwhile. */
void *have_next(const struct have *have, const struct object_kind *kind, size_t *at);
size_t have_count(const struct have *have, const struct object_kind *kind);
/*
 * The objects of a kind that name @group among their groups (object_kind.groups), in no order: how many,
 * and in *ret_objects an array borrowed until anything is put or removed. Costs one look-up.
 * Links: by master and by lower link; addresses and bridge VLANs: by link.
 */
size_t have_group(const struct have *have, const struct object_kind *kind, const char *group,
	void *const **ret_objects);
/*
 * Told after the turn in which objects became dirty (once a turn): time to state_take_dirty() and
 * converge. While a transaction runs it is the transaction that asks.
 */
void state_on_dirty(void (*callback)(void *arg), void *arg);
/*
 * The units whose wanted objects are dirty and now differ from have (or are pending and worth another
 * try); the list is emptied. *ret_paths is malloc'd, of borrowed pointers valid until the next exchange.
 */
size_t state_take_dirty(const char ***ret_paths);
/*
 * Told of each observed change: @now NULL when it is gone; and when a wanted object begins or ceases to wait,
 * with what is observed of it, or else the wanted one for @now. For notifications; NULL to unset.
 */
void have_on_change(
	void (*callback)(const struct object *was, const struct object *now, void *arg), void *arg);

/* The same for one kind, beside that; NULL to unset. */
void have_listen(const struct object_kind *kind,
	void (*callback)(const struct object *was, const struct object *now));
/* Monotonic time at which one of the kind came or went last; 0: never. */
uint64_t have_changed_ms(const struct object_kind *kind);

/* --- plan and apply --------------------------------------------------------------------------- */

struct plan;

/* One unit in a plan: what it wanted and what it wants now (both NULL-able, same pointer allowed). */
struct plan_unit {
	const struct want *old;
	const struct want *new;
};

enum plan_mode {
	/* A client's transaction: a refusal by the device fails it. An object whose needs are absent
	 * stays pending in both modes. */
	PLAN_STRICT,
	/* Surprise: what the device refuses stays pending with its reason, the rest is applied. */
	PLAN_BEST_EFFORT,
	/* Boot, restart: the same for all units there are; what is observed as ours and wanted by nobody
	 * goes. */
	PLAN_WHOLE,
};

/*
 * Steps that make the observed objects agree with what @units want: first what must go (leaves first),
 * then changes and additions (roots first), last the removal of links that stand in nobody's way.
 * Re-creating an object brings back whatever wanted object is lost with it, of other units too. Pure.
 */
struct plan *plan_make(const struct plan_unit *units, size_t count, enum plan_mode mode);
/* The same in slices: begins it; the units' wants must live until plan_work() has said true (it is made) or
 * the plan is freed. apply_run() takes such a plan and makes it first. */
struct plan *plan_begin(const struct plan_unit *units, size_t count, enum plan_mode mode);
bool plan_work(struct plan *plan);
void plan_free(struct plan *plan);
/* Frees its steps in slices; true: there are no more. The plan has been run. */
bool plan_release(struct plan *plan);
DEFINE_CLEANUP(struct plan *, plan_free)
size_t plan_count(const struct plan *plan);
const struct step *plan_step(const struct plan *plan, size_t index);
/* The wanted object that a step is for; of a removal the one that was wanted until now; NULL: none was. */
const struct object *plan_owner(const struct plan *plan, size_t index);
/* "change address 192.0.2.1/24 on br0" */
void plan_describe(const struct plan *plan, size_t index, char *text, size_t size);

/*
 * Runs the steps; yields to the loop when it takes long. Calls @done exactly once, possibly before it
 * returns: @err NULL on success. In strict mode a failure puts everything observed back to what it was and
 * then reports the failed step's error with an absolute path. The plan must live until then; freeing it
 * earlier ends the run, without a call.
 */
void apply_run(struct plan *plan, void (*done)(const struct err *err, void *arg), void *arg);
/*
 * target.apply() of those that do one step after the other, each at once: @run does it and sets is_done or
 * error.
 */
size_t apply_each(struct step *const *steps, size_t count, bool stop_on_error,
	void (*run)(struct step *step));
/* A target has got on with the steps for which its apply() returned 0. */
void apply_resume(void);
/* Whether a run is under way: what it has asked of a target may yet be undone. */
bool apply_is_running(void);

#endif
