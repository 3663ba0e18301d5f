/*
 * An edit: changes made to a data tree in place, each recorded, so that they can be undone, validated,
 * journalled and turned into units. Nothing but trees is touched here.
 */
#ifndef ASHLAR_DATASTORE_EDIT_H
#define ASHLAR_DATASTORE_EDIT_H

#include "ashlar/datastore.h"
#include "ashlar/map.h"

#include "access.h"

/* Follows what an undo does to the tree (the data index of validation). */
struct edit_observer {
	void (*leaves)(struct lyd_node *subtree);  /* is about to be freed */
	void (*returns)(struct lyd_node *subtree); /* has been put back */
	void (*changes)(struct lyd_node *node);	   /* has its former value again */
};

enum edit_event_kind {
	EDIT_MADE,	/* node (with its subtree) was put in */
	EDIT_REMOVED,	/* node was taken out; kept unlinked until the edit ends */
	EDIT_CHANGED,	/* a leaf's value, or only that it is no default any more */
	EDIT_MOVED,	/* an entry of a list ordered by user */
	EDIT_FLAGS,	/* only node->flags */
	EDIT_ANNOTATED, /* only what annotations the node has */
};

struct edit_event {
	enum edit_event_kind kind;
	bool is_implicit; /* made by validation: a default, a when that turned false */
	struct lyd_node *node;
	struct lyd_node *parent;      /* REMOVED: where it was; NULL at top level */
	struct lyd_node *next;	      /* REMOVED, MOVED: the sibling it stood before; NULL: last */
	char *old;		      /* CHANGED: former canonical value; owned */
	uint32_t old_flags;	      /* CHANGED, FLAGS */
	struct lyd_meta *annotations; /* ANNOTATED: the former ones; owned */
};

struct edit {
	struct lyd_node **tree;	     /* the datastore's first top-level node */
	const struct access *access; /* NULL: no access control */
	struct edit_event *events;
	size_t count, room;
	struct map dead; /* roots of removed subtrees, by address → struct edit_grave */
	struct arena *arena;
	const struct edit_observer *observer; /* of an undo; NULL: none */
	size_t request_start;		      /* first event of the request at hand */
	size_t kept, freed;		      /* events that edit_keep_some() has been through */
	bool is_undoing;
	bool is_ours;	       /* the request is no client's words (edit-access.h) */
	bool is_any;	       /* takes any data, state included: what is only compared */
	size_t portion_depth;  /* of the portion at hand, as portions_depth() says; 0: no portion */
	size_t portion_shared; /* likewise */
	struct map given; /* what came in portions, where others bring its siblings: by address */
	struct unit_set
		*units; /* of what is removed, asked while it still stands; NULL: not wanted */
};

/* Where a removed subtree was. */
struct edit_grave {
	struct lyd_node *node;
	struct lyd_node *parent; /* NULL at top level */
};

/* What a request does below a node, when it does not say so itself. */
enum edit_operation {
	EDIT_NONE,
	EDIT_MERGE,
	EDIT_REPLACE,
	EDIT_CREATE,
	EDIT_DELETE,
	EDIT_REMOVE,
};

void edit_begin(struct edit *edit, struct lyd_node **tree, const struct access *access);
/*
 * Applies a request; nodes may move out of *request into the tree, what is left stays the caller's.
 * On failure the caller runs edit_undo().
 */
int edit_apply(struct edit *edit, struct lyd_node **request, enum edit_operation operation,
	struct err *err) WARN_UNUSED;
/* Parses and applies the next portion of a request: 1, or 0 when there is none left. */
int edit_apply_portion(struct edit *edit, struct portions *portions, enum edit_operation operation,
	struct err *err) WARN_UNUSED;
/*
 * Applies one node of a request, below the node of the tree that stands where its parent does; where that is
 * missing, the request as a whole is merged.
 */
int edit_apply_at(struct edit *edit, struct lyd_node **request_top, struct lyd_node *request,
	enum edit_operation operation, struct err *err) WARN_UNUSED;
/* Puts an entry ordered by user before another (NULL: last), if it may; where it stands already is fine. */
int edit_place(struct edit *edit, struct lyd_node *node, struct lyd_node *before,
	struct err *err) WARN_UNUSED;
/* Removes a node, gives a leaf a value, if access control lets it. */
int edit_remove(struct edit *edit, struct lyd_node *node, struct err *err) WARN_UNUSED;
int edit_set(
	struct edit *edit, struct lyd_node *leaf, const char *value, struct err *err) WARN_UNUSED;
/* Puts everything back as it was at edit_begin(); the edit is empty afterwards. */
void edit_undo(struct edit *edit);
/* Keeps the changes: frees what was removed. The edit is empty afterwards. */
void edit_keep(struct edit *edit);
/* The same for a few milliseconds: true while there is more to do, then nothing else may be done. */
bool edit_undo_some(struct edit *edit);
bool edit_keep_some(struct edit *edit);
/* Was the node (or an ancestor) removed by this edit? */
bool edit_is_dead(const struct edit *edit, const struct lyd_node *node);

/* The parent, also of what this edit removed: where it stood. */
struct lyd_node *edit_parent(const struct edit *edit, const struct lyd_node *node);

/* Instance path, also of what this edit removed; malloc'd. */
char *edit_path(const struct edit *edit, const struct lyd_node *node);
/* What was made so far counts as old for the requests that follow (choices). */
void edit_next_request(struct edit *edit);

/* Single changes, for validation (defaults, when) and replay. */
void edit_insert(
	struct edit *edit, struct lyd_node *parent, struct lyd_node *node, bool is_implicit);
void edit_take_out(struct edit *edit, struct lyd_node *node, bool is_implicit);
int edit_change(
	struct edit *edit, struct lyd_node *node, const char *value, struct err *err) WARN_UNUSED;
void edit_move(struct edit *edit, struct lyd_node *node, struct lyd_node *before);
void edit_set_flags(struct edit *edit, struct lyd_node *node, uint32_t flags);

/* The node gets the annotations of @from; @is_all: and keeps no other. */
void edit_annotate(
	struct edit *edit, struct lyd_node *node, const struct lyd_node *from, bool is_all);

/* Takes a node out of a tree that is not edited (a request). */
void edit_unlink(struct lyd_node **tree, struct lyd_node *node);

/* A container without presence is a default exactly while all in it is: from @node (may be NULL) upwards. */
void edit_settle_defaults(struct lyd_node *node);
/* A node that libyang has put in place itself. */
void edit_record_made(struct edit *edit, struct lyd_node *node, bool is_implicit);

/* First child below @parent, or the first top-level node. */
struct lyd_node *edit_children(const struct edit *edit, const struct lyd_node *parent);

#endif
