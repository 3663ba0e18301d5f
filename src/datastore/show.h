/*
 * Where operational data comes from: for each schema node whose instances are units that some feature
 * (or the server) shows, who that is; and the units themselves, made when a read comes to them.
 */
#ifndef ASHLAR_DATASTORE_SHOW_H
#define ASHLAR_DATASTORE_SHOW_H

#include "ashlar/feature.h"

#include "filter.h"

struct show_source;

/* A schema node that is a unit with sources, or on the way to one. */
struct show_point {
	const struct lysc_node *schema; /* container or list; NULL: the root */
	size_t index;
	bool is_fixed;		   /* only containers above: can be made from nothing */
	bool has_entries_below;	   /* some unit below is a list */
	struct show_point *parent; /* NULL: this is the root */
	struct show_point **below;
	size_t below_count;
	struct show_source *sources;
	size_t source_count; /* 0: only on the way */
	const struct feature_supply
		*supply; /* of a list whose entries are made one by one; or NULL */
};

/* The table, made from feature_table at first use; a point lives until show_done(). */
const struct show_point *show_root(void);
/* NULL when nothing is shown at or below @schema, a child of the point's. */
const struct show_point *show_below(const struct show_point *point, const struct lysc_node *schema);
void show_done(void);

/* What one read has found out. */
struct show {
	struct ds_filter *filter;    /* NULL: everything is wanted */
	const struct access *access; /* of who reads; NULL: no limits */
	bool can_refresh; /* in a forked child nothing is: the sockets are the parent's */
	uint64_t *asked;  /* by point index: bits of its sources that the filter touches */
	bool *is_known;
	const struct object_kind **refreshed; /* wholly */
	size_t refreshed_count;
};

void show_start(
	struct show *show, struct ds_filter *filter, const struct access *access, bool can_refresh);
void show_end(struct show *show);
/* Does the read want anything shown for the point's units? */
bool show_is_asked(struct show *show, const struct show_point *point);
/* Has the values without notification read again, for one unit or (NULL) all, once a read. */
void show_refresh(struct show *show, const struct show_point *point, const char *key);
/* The same, of all, for one kind of object; false: all are done. */
bool show_refresh_next(struct show *show, const struct show_point *point);
/* The same, of all, for what the filter touches at the point and below it. */
void show_refresh_asked(struct show *show, const struct show_point *point);
/* The same for whatever any read could want. */
void show_refresh_all(struct show *show);
/* Keys of the units that exist beyond configuration (NULL for a container); may repeat. */
void show_units(const struct show_point *point, void (*add)(void *arg, const char *key), void *arg);
/*
 * A copy of a unit's configuration with bare parents, in a tree of its own. Entries that are units
 * themselves are left out, without @with_lists those of all lists (but not of lists within those): the
 * reader takes them from the configuration, as they come up.
 */
struct lyd_node *show_copy(
	const struct show_point *point, const struct lyd_node *node, bool with_lists);
/* Adds what @config has and @node, an entry that show() made without it, has not. */
void show_complete(const struct lyd_node *config, struct lyd_node *node);
/* Adds what is observed to the unit's @node; @config is the unit's configuration or NULL. */
void show_unit(struct show *show, const struct show_point *point, const struct lyd_node *config,
	struct lyd_node *node);

#endif
