/*
 * libyang: loading the schema, reading and building trees, paths, text formats. Knows no leaf's
 * meaning. Names are JSON names: "enabled" (in the parent's module) or "ietf-ip:ipv4".
 */
#ifndef ASHLAR_YANG_H
#define ASHLAR_YANG_H

#include <libyang/libyang.h>
#include <stdbool.h>
#include <stdint.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"
#include "ashlar/mem.h"

/* --- context ---------------------------------------------------------------------------------- */

struct yang_module {
	const char *name;
	const char *const *features; /* NULL-terminated or NULL */
};

/* Loads and compiles; the context is the process's from then on. @modules ends with name NULL and may
 * name a module more than once (features add up). */
int yang_init(const char *dir, const struct yang_module *modules, size_t count,
	struct err *err) WARN_UNUSED;
void yang_done(void);
const struct ly_ctx *yang_ctx(void);
/* Text of a loaded module or submodule in YANG; -ENOENT. Malloc'd. */
int yang_source(
	const char *name, const char *revision, char **ret_text, struct err *err) WARN_UNUSED;
/* Changes when the schema does (yang-library content-id, RESTCONF yang-library-version). */
const char *yang_content_id(void);

/* libyang's last error as ours: tag, app-tag, path, must message. Returns its code (< 0). */
int yang_err(struct err *err, int code);

/* --- reading ---------------------------------------------------------------------------------- */

/* First child with that name; NULL when absent. @parent may be NULL (then NULL). */
const struct lyd_node *node_child(const struct lyd_node *parent, const char *name);
/* A child by a path of names: "ietf-ip:ipv4/mtu". */
const struct lyd_node *node_at(const struct lyd_node *parent, const char *path);
/* The entry of a list with one key. */
const struct lyd_node *node_entry(const struct lyd_node *parent, const char *list, const char *key);
/* Canonical value of the child leaf, or @fallback. */
const char *node_text(const struct lyd_node *parent, const char *path, const char *fallback);
bool node_bool(const struct lyd_node *parent, const char *path, bool fallback);
uint64_t node_u64(const struct lyd_node *parent, const char *path, uint64_t fallback);
int64_t node_s64(const struct lyd_node *parent, const char *path, int64_t fallback);
/* Name of the identity in an identityref, without prefix; NULL when absent. */
const char *node_identity(const struct lyd_node *parent, const char *path);
bool node_exists(const struct lyd_node *parent, const char *path);
/* Value of the node itself; "" for one without. */
const char *node_value(const struct lyd_node *node);
/* Nearest ancestor (or itself) that is an instance of the schema node named @name. */
const struct lyd_node *node_ancestor(const struct lyd_node *node, const char *name);
/* Iterates the instances of the child list or leaf-list @name. */
#define NODE_FOREACH(node, parent, name)                                                           \
	for ((node) = node_child((parent), (name)); (node); (node) = node_next(node))
/* The top-level node of that name in the tree that @in is of. */
const struct lyd_node *node_top(const struct lyd_node *in, const char *name);
/* Next sibling instance of the same schema node. */
const struct lyd_node *node_next(const struct lyd_node *node);

/* --- building (operational data, replies) ------------------------------------------------------ */

/* Each makes the child below @parent, or changes it if it is there; -EINVAL with libyang's words. */
int build_leaf(struct lyd_node *parent, const char *name, const char *value, struct err *err);
int build_leaff(struct lyd_node *parent, struct err *err, const char *name, const char *format, ...)
	PRINTF(4, 5);
int build_bool(struct lyd_node *parent, const char *name, bool value, struct err *err);
int build_u64(struct lyd_node *parent, const char *name, uint64_t value, struct err *err);
/* A leaf of an action's or RPC's output. */
int build_output(struct lyd_node *parent, const char *name, const char *value, struct err *err);
/* A new entry, with that key, of a list there; what is below it is made as elsewhere. */
int build_output_entry(struct lyd_node *parent, const char *name, const char *key,
	struct lyd_node **ret_node, struct err *err);
/* Adds one instance to a leaf-list. */
int build_item(struct lyd_node *parent, const char *name, const char *value, struct err *err);
/* Anydata with XML elements as its content. */
int build_any(struct lyd_node *parent, const char *name, const char *xml, struct err *err);
/* The container, found or made. */
int build_container(
	struct lyd_node *parent, const char *name, struct lyd_node **ret_node, struct err *err);
/* The list entry with that key, found or made; keyless lists get a new one (key NULL). */
int build_entry(struct lyd_node *parent, const char *name, const char *key,
	struct lyd_node **ret_node, struct err *err);

/* Says that the node was learned from others (RFC 8342 section 5.3.4), where operational is read. */
int build_learned(struct lyd_node *node, struct err *err);

/* --- paths ------------------------------------------------------------------------------------ */

/* Instance path of a node with JSON names and predicates; malloc'd. */
char *path_of(const struct lyd_node *node);
/* Appends a step of a RESTCONF path (RFC 8040 section 3.5.3), "/mod:name=key,key", below @parent (NULL: at the
 * top). @out has no ceiling. */
void path_append_step(struct buf *out, const struct lyd_node *node, const struct lyd_node *parent);
/* Drops the last step of an instance path; false: there is none left. */
bool path_go_up(char *path);
/* Schema node of a schema path ("/mod:a/b/mod2:c", choices and cases left out); NULL if unknown. */
const struct lysc_node *path_schema(const char *path);

/* --- text ------------------------------------------------------------------------------------- */

enum format {
	FORMAT_XML,
	FORMAT_JSON,
};

enum with_defaults {
	WITH_DEFAULTS_EXPLICIT, /* what was set */
	WITH_DEFAULTS_TRIM,	/* what differs from the default */
	WITH_DEFAULTS_ALL,
	WITH_DEFAULTS_ALL_TAGGED,
};
/* Is the node, looked at alone, part of what that mode reports (RFC 6243 section 3)? */
bool format_reports(const struct lyd_node *node, enum with_defaults defaults);

/*
 * Content of an edit: parsed without validation, strictly, metadata (operation, insert, …) kept. Nodes
 * to be deleted may be without value. @parent (may be NULL) is the node below which the text belongs: the
 * nodes are put there, also some of them on failure, and *ret_tree is NULL.
 * Errors: unknown-element, unknown-namespace, invalid-value, malformed-message with path.
 */
int format_parse_edit(const char *text, size_t size, enum format format, struct lyd_node *parent,
	struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
/*
 * The same in portions, for large texts: each call of portions_next() parses some of it, 1 with a tree that
 * stands on its own (the caller frees), 0 at the end. What the portions say together is what the text says,
 * unless the edit is to replace everything. The text is copied.
 */
struct portions;
struct portions *portions_new(const char *text, size_t size, enum format format);
void portions_free(struct portions *portions);
DEFINE_CLEANUP(struct portions *, portions_free)
int portions_next(
	struct portions *portions, struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
/*
 * How many nodes stand above what the last portion brought, one in the other (0: it is no part of anything),
 * and how many of these earlier portions had, too.
 */
size_t portions_depth(const struct portions *portions, size_t *ret_shared);
/* A whole configuration (startup file); unknown nodes are an error. */
int format_parse_config(const char *text, size_t size, enum format format,
	struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
/*
 * The same, but what is wrong or unknown to the schema is kept as opaque nodes (node->schema NULL), as
 * it may belong to a module that this version does not have yet.
 */
int format_parse_lenient(const char *text, size_t size, enum format format,
	struct lyd_node **ret_tree, struct err *err) WARN_UNUSED;
/* The schema node that an opaque node is called after; NULL: there is none. */
const struct lysc_node *format_opaque_schema(const struct lyd_node *node);
/* Says that the value of such a node is wrong; returns -EINVAL. */
int format_opaque_error(const struct lyd_node *node, struct err *err);
/* Input of an RPC or action, validated. @parent: node in the running tree for an action, or NULL. */
int format_parse_rpc(const char *text, size_t size, enum format format, struct lyd_node *parent,
	struct lyd_node **ret_op, struct err *err) WARN_UNUSED;
/* Appends as XML what is the input of an RPC in JSON, its values being valid, and nothing else checked. */
int format_rpc_to_xml(struct buf *out, const char *text, size_t size, struct err *err) WARN_UNUSED;
/* Appends one node (with or without its following siblings). */
int format_print(struct buf *out, const struct lyd_node *node, enum format format, bool siblings,
	enum with_defaults defaults, bool pretty, struct err *err) WARN_UNUSED;

/*
 * Appends the output below the node of an RPC or action, without the input: XML elements, or a JSON object;
 * nothing when there is none.
 */
int format_print_output(struct buf *out, const struct lyd_node *operation, enum format format,
	struct err *err) WARN_UNUSED;

DEFINE_CLEANUP(struct lyd_node *, lyd_free_all)

#endif
