/*
 * The only contract between configuration and the rest: what a feature is.
 *
 * A feature owns one part of the data model. It never compares, orders, rolls back or talks to a
 * target: it says what should exist for a piece of configuration (want), and turns what was observed
 * into operational data (show).
 */
#ifndef ASHLAR_FEATURE_H
#define ASHLAR_FEATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"
#include "ashlar/state.h"
#include "ashlar/yang.h"

/*
 * The piece of configuration a feature is asked about at once: a list entry (one interface), or a
 * container (system). Borrowed for the call.
 */
struct unit {
	const char *path;		/* instance path, JSON names */
	const struct lysc_node *schema; /* of the unit's node */
	const struct lyd_node *node;	/* configuration; NULL when it has none (any more) */
};

/* Collects units that must be asked again. */
struct unit_set;
/* Adds the unit of @schema_node whose data node is @node (a list entry or container in the tree). */
void unit_set_add(struct unit_set *set, const struct lyd_node *node);
/* Adds a unit by instance path (its node may be gone). */
void unit_set_add_path(struct unit_set *set, const char *path);

/* A path outside the feature's own units whose change means that units must be asked again. */
struct feature_reads {
	const char
		*path; /* schema path, JSON names: "/ietf-interfaces:interfaces/interface/type" */
	/*
	 * @node (at or below @path) was created, changed or removed; @old is its former canonical value
	 * (NULL: created or no leaf). Removed nodes are still linked when this is called. Adds the units
	 * concerned. Cost follows what it adds.
	 */
	void (*affects)(const struct lyd_node *node, const char *old, struct unit_set *set);
};

struct ds_client; /* see datastore.h */

/* One call of an RPC or action. */
struct action_call {
	const struct lyd_node *input; /* the RPC or action node with its input children */
	const struct lyd_node
		*target; /* action: its parent node in the running tree; NULL for an RPC */
	const char *user;
	const struct ds_client *client; /* who calls; borrowed while run() is called */
	enum format format;		/* in which the output is wanted */
	/*
	 * To be called exactly once, at once or later from the loop: @err NULL on success. The handler
	 * may have added output children to *output, or put their text into @text.
	 */
	void (*done)(struct action_call *call, const struct err *err);
	struct lyd_node *output; /* the RPC or action node; output goes below it */
	struct buf text;	 /* instead: XML elements or a JSON object; taken by done() */
	void *server;		 /* the caller's */
};

struct feature_action {
	const char *path; /* schema path of the RPC or action */
	void (*run)(struct action_call *call);
};

/* A module that holds what a feature owns. */
struct feature_module {
	const char *name;
	const char *const *features; /* YANG features to turn on, NULL-terminated; NULL: none */
};

/* Which units show an observed object: for those who follow changes of operational data. */
struct feature_shows {
	const struct object_kind *kind;
	/* Schema path of the units: a container, or a list with one key; only containers are above it. */
	const char *path;
	/* Calls @add with the key of each unit that shows the object. NULL: of a container, always; of a
	 * list, the object's key and the names of its groups. */
	void (*units)(
		const struct object *object, void (*add)(void *arg, const char *key), void *arg);
};

/* What a read wants of a list whose entries are made one by one. */
struct feature_asked {
	/* For those who follow changes: only entries whose changes are noticed. */
	bool is_for_changes;
	/*
	 * The canonical value that the entry's leaf must have to be wanted, with names of containers on the way
	 * to it ("next-hop/outgoing-interface"); NULL: any will do, or it is not known. Valid until open()
	 * returns. Entries that have another one, or no such leaf, may be made all the same.
	 */
	const char *(*value)(const struct feature_asked *asked, const char *path);
};

/*
 * Entries of a list without keys, in what show() has made of a unit, that are not made with it: there can be
 * a million of them. They are made one at a time, when the reader has come to them, and thrown away.
 */
struct feature_supply {
	const char *path; /* schema path of the list; show() makes what holds it */
	/* May be called in a forked child. @parent holds the list, in a tree with the unit's keys. */
	int (*open)(const struct lyd_node *parent, const struct feature_asked *asked,
		void **ret_supply, struct err *err);
	/* 1: *ret_entry is the next, made below @parent, or NULL: none was found in the time of a
	 * millisecond, ask again. 0: there are no more. */
	int (*next)(void *supply, struct lyd_node *parent, struct lyd_node **ret_entry,
		struct err *err);
	/*
	 * Leaves out the next @count that next() would make, or fewer: *ret_skipped, in the time of a
	 * millisecond. 1, and 0 or an error as next(). May be NULL.
	 */
	int (*skip)(void *supply, uint64_t count, uint64_t *ret_skipped, struct err *err);
	void (*close)(void *supply);
};

struct edit; /* datastore/edit.c: see datastore.h */

struct feature {
	const char *name; /* also the file's stem */
	/* YANG modules to implement (imports come by themselves); ends with name NULL. */
	const struct feature_module *modules;
	/*
	 * Schema paths it owns, with all below; the last list on a path makes its entries the units, a path
	 * without list its last container. Ends with NULL. Several features may have the same units.
	 */
	const char *const *roots;
	/* Schema paths below the roots that it does not own. Ends with NULL; may be NULL. */
	const char *const *except;
	/*
	 * Schema paths of what the unit would be dangerous without (who may log in, what keeps networks apart):
	 * when that, or something below, is refused at boot, the unit is left out; otherwise only what is at
	 * fault. Ends with NULL; may be NULL.
	 */
	const char *const *vital;
	/* Ends with path NULL; may be NULL. */
	const struct feature_reads *reads;
	/* Values the model leaves to the server (a type from a name), set by edit_fill() within the
	 * edit, before validation. May be NULL. */
	int (*fill)(struct edit *edit, const struct unit *unit, struct err *err);
	/* Beyond what YANG can say. Pure. Error paths may be relative to the unit; at boot what they name is
	 * left out, and the rest asked again. May be NULL. */
	int (*check)(const struct unit *unit, struct err *err);
	/* What should exist for the unit; not called when unit->node is NULL. Pure. May be NULL. */
	int (*want)(const struct unit *unit, struct want *want, struct err *err);
	/*
	 * Which units exist beyond configuration (interfaces the kernel has): calls @add with the value of
	 * the unit list's one key (NULL for a container) for each. May be NULL.
	 */
	void (*units)(const struct have *have, const struct lysc_node *unit_schema,
		void (*add)(void *arg, const char *key), void *arg);
	/*
	 * Adds what is observed for the unit below @node, which stands in a tree of its own: the unit's
	 * list entry or container, holding its configuration already if it has any: of a container without
	 * the entries of its lists, and never entries that are units themselves (unit->node has all); an
	 * entry made here is completed from the configuration afterwards. Pure. May be NULL.
	 */
	int (*show)(const struct unit *unit, const struct have *have, struct lyd_node *node,
		struct err *err);
	/* Kinds refreshed before show(): for one unit by its key, for many at once. NULL-terminated; may be
	 * NULL. The unit's key must be the object's key. */
	const struct object_kind *const *refreshes;
	/* Observed objects that it shows, and where; ends with kind NULL; may be NULL. */
	const struct feature_shows *shows;
	/* Lists whose entries are made one by one; ends with path NULL; may be NULL. */
	const struct feature_supply *supplies;
	/* Schema paths of what it shows that changes without any object being observed (counters): whoever
	 * follows changes does not get it. Ends with NULL; may be NULL. */
	const char *const *silent;
	/* Schema paths of operational data beyond the roots that show() builds (units as for roots): for
	 * example "/ietf-system:system-state". Ends with NULL; may be NULL. */
	const char *const *state_roots;
	/* Ends with path NULL; may be NULL. */
	const struct feature_action *actions;
	/* Interface types (identities of infix-if-type) that it makes links of; NULL-terminated; NULL: none. */
	const char *const *link_types;
};

/* All features, in the order of src/features/meson.build; ends with NULL. Generated. */
extern const struct feature *const feature_table[];

#endif
