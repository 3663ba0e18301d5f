/*
 * What of a tree is asked for, whichever way it was said: a subtree filter (RFC 6241 section 6), an XPath
 * expression of the simple kind (xpath.c), an instance path, or the fields of RFC 8040 section 4.8.3. All
 * of them become a tree of elements that is compared with data while that is walked.
 */
#ifndef ASHLAR_DATASTORE_FILTER_H
#define ASHLAR_DATASTORE_FILTER_H

#include "ashlar/datastore.h"

#include "access.h"

#define FILTER_ELEMENTS_MAX 8192
#define FILTER_DEPTH_MAX    128
/* What data consists of: no actions, no notifications. */
#define FILTER_NODES (LYS_CONTAINER | LYS_LIST | LYS_LEAF | LYS_LEAFLIST | LYS_ANYDATA)

/* Which modules' nodes an element's name means. */
enum filter_scope {
	FILTER_MODULE, /* module; NULL: one that we do not have, so nothing */
	FILTER_ANY,    /* every module that has the name there */
	FILTER_PARENT, /* the parent's module; at top level any */
};

struct filter_attribute {
	const struct lys_module *module; /* NULL: none that we have */
	const char *name, *value;
	struct filter_attribute *next;
};

struct filter {
	const char *name;
	enum filter_scope scope;
	const struct lys_module *module;
	const char *value;	/* what a leaf must hold, as written but trimmed; NULL: anything */
	const char *json_value; /* the same with module names as prefixes; NULL: not different */
	const struct lys_module *value_module; /* of an identity without prefix; may be NULL */
	struct filter_attribute *attributes;
	bool is_test;		     /* its siblings are selected only if such a node exists */
	bool is_output;		     /* what it matches is selected */
	bool is_field;		     /* of RFC 8040 fields: depth begins anew below it */
	bool is_target;		     /* of a path: the data resource */
	bool has_tests, has_outputs; /* among the children; outputs: ones that are no tests */
	struct filter *children, *last, *next;

	/* Remembered answers: the nodes of the schema it can match below a parent, and its value there. */
	bool is_resolved;
	const struct lysc_node *parent;
	const struct lysc_node **schemas;
	size_t schema_count;
	const struct lysc_node *canonical_of;
	const char *canonical; /* NULL: no value of that type */
};

struct ds_filter {
	struct arena *arena;
	struct filter *root; /* nameless; its children are the top-level elements */
	size_t count;
	/* What is left out by that mode is not there for tests (RFC 6243 section 4.5.1); at first, nothing. */
	enum with_defaults defaults;
};

DEFINE_CLEANUP(struct ds_filter *, ds_filter_free)

/* An empty one, which selects nothing. */
struct ds_filter *filter_new(void);
/* An element that @parent does not know yet; too-big when there are too many. @name is copied. */
int filter_add(struct ds_filter *filter, const char *name, size_t size, struct filter **ret_element,
	struct err *err) WARN_UNUSED;
/* Appends the element, whose kind (is_test, is_output) is settled, to its parent. */
void filter_append(struct filter *parent, struct filter *element);

enum filter_match {
	FILTER_NONE,
	FILTER_PART, /* what its children select */
	FILTER_ALL,
};

/* Does the element's name, in its scope, mean @schema? */
bool filter_names(const struct filter *element, const struct lysc_node *schema);
/*
 * How much of @node, which the element's name means, is selected. What @access (NULL: no limits) keeps
 * from the client does not match.
 */
enum filter_match filter_match(struct ds_filter *filter, struct filter *element,
	const struct lyd_node *node, const struct access *access);
/* The same for the root, where @tree is the first top-level node (may be NULL). */
enum filter_match filter_match_root(
	struct ds_filter *filter, const struct lyd_node *tree, const struct access *access);
/* The schema nodes below @parent (NULL: top level) that the element's name means. */
size_t filter_schemas(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *parent, const struct lysc_node *const **ret_schemas);

enum filter_key {
	FILTER_UNKEYED, /* instances have to be looked at one by one */
	FILTER_KEYED,	/* at most one instance: *ret_key */
	FILTER_NOWHERE, /* no instance can match */
};

/*
 * Does the element name one entry of a list or leaf-list? *ret_key (malloc'd) is "[k='v']" or the value,
 * as lyd_find_sibling_val() takes it.
 */
enum filter_key filter_key(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *schema, char **ret_key);
/* The canonical value of the key leaf that the element's test names; NULL: it names none. */
const char *filter_key_value(
	struct ds_filter *filter, struct filter *element, const struct lysc_node *key);
/*
 * The list that the filter leads to: the first of which it does not name an entry by key, on the one way that it
 * goes. NULL: it goes several ways, or to no list.
 */
const struct lysc_node *filter_list(struct ds_filter *filter);
/* Is all that the element's name means selected, whatever it is? */
bool filter_selects_any(const struct filter *element);
/*
 * Can the filter select or test anything at or below @schema, without the keys of @unit, a list at or
 * above it (they are known when an entry is), and without what is at or below one of @except (ends with
 * NULL; may be NULL)?
 */
bool filter_touches(struct ds_filter *filter, const struct lysc_node *schema,
	const struct lysc_node *unit, const struct lysc_node *const *except);

#endif
