/*
 * What the datastore knows about each schema node, made once at start and reached through
 * lysc_node.priv: who owns it, which units it belongs to, which constraints it can break.
 */
#ifndef ASHLAR_DATASTORE_SCHEMA_H
#define ASHLAR_DATASTORE_SCHEMA_H

#include "ashlar/feature.h"
#include "ashlar/map.h"

struct constraint;
struct reader; /* constraints.c: a constraint that reads this node, and how its instances are found */

struct snode {
	const struct lysc_node *schema;
	bool is_silent; /* operational; no change of it, or of what is below, is noticed */
	bool is_vital;	/* its unit would be dangerous without it, or what is below */
	bool is_owned;	/* some feature owns it (configuration that is not owned is refused) */

	/* Schema nodes whose instances are the units this node belongs to (ancestors or itself). */
	const struct lysc_node **unit_schemas;
	size_t unit_count;
	/* If this node's instances are units: the features asked about them. */
	const struct feature **features;
	size_t feature_count;
	/* Readers of this node or of one above it. */
	const struct feature_reads **reads;
	size_t reads_count;

	/* Constraints (see constraints.c). */
	struct reader *readers;
	size_t reader_count;
	struct constraint **own; /* must and leafref checks of this node's instances */
	size_t own_count;
	struct constraint **whens; /* that govern this node: its own and those of cases around it */
	size_t when_count;
	bool tracks_instances;	   /* some constraint needs all instances: kept in instances */
	bool is_leafref_source;	   /* instances are kept by value */
	bool has_settled_children; /* a child has a default, is a container, or sits in a choice */
	bool has_counted_children; /* a child is mandatory or has min- or max-elements or unique */
	const struct lysc_node
		*unique_in;   /* the list among whose entries this leaf's value counts */
	struct map instances; /* struct lyd_node * → itself */
};

/* Builds the table for the loaded schema; -EINVAL when a feature names a path that is not there. */
int schema_init(struct err *err) WARN_UNUSED;
void schema_done(void);

/* Never NULL for a data node of configuration or state; NULL within RPCs and notifications. */
static inline struct snode *schema_of(const struct lysc_node *schema)
{
	return schema->priv;
}

static inline struct snode *schema_of_node(const struct lyd_node *node)
{
	return node->schema ? node->schema->priv : NULL;
}

/* Nearest data-tree parent in the schema (choices and cases skipped); NULL at top level. */
const struct lysc_node *schema_data_parent(const struct lysc_node *schema);
/* Does what is around an instance need it: is it a key, or mandatory? */
bool schema_must_stay(const struct lysc_node *schema);
/* The schema node whose instances are the units of a feature's root: the last list, or container, on it. */
const struct lysc_node *schema_unit(const struct lysc_node *root);
/* Feature action by schema node; NULL: nobody has it. */
const struct feature_action *schema_action(const struct lysc_node *schema);
/* Further ones, which no feature has; the table ends with path NULL and lives on. */
int schema_add_actions(const struct feature_action *actions, struct err *err) WARN_UNUSED;

#endif
