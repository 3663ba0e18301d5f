/*
 * Access control (RFC 8341): may this user read, change or execute this?
 *
 * The rules are read from a configuration once (access_load); what applies to one user is a struct
 * access, cached by name, which remembers its answer for each schema node it was asked about. A question
 * costs one look-up unless a rule with a path that names instances concerns the node.
 *
 * In all functions a NULL access means that access control does not apply: everything is permitted.
 */
#ifndef ASHLAR_DATASTORE_ACCESS_H
#define ASHLAR_DATASTORE_ACCESS_H

#include "ashlar/datastore.h"

enum access_op {
	ACCESS_READ,
	ACCESS_CREATE,
	ACCESS_UPDATE,
	ACCESS_DELETE,
	ACCESS_EXEC,
	ACCESS_OPS,
};

enum access_verdict {
	ACCESS_UNKNOWN, /* never returned */
	ACCESS_PERMIT,
	ACCESS_DENY,
	ACCESS_DEPENDS, /* on the instance (access_schema), or on the node below (access_below) */
};

struct access;

/* --- rules ------------------------------------------------------------------------------------ */

/*
 * Reads the rules of a configuration (its first top-level node; NULL: none, so the defaults of the
 * model: reading yes, writing no). Every struct access handed out before is out of date: it keeps
 * answering by the old rules for whoever holds a reference (RFC 8341 section 3.4: the rules in effect when
 * a request starts stay in effect for it), and access_of() makes new ones.
 */
void access_load(const struct lyd_node *config);
/* Whether a change of a node at or below @schema asks for access_load(). */
bool access_concerns(const struct lysc_node *schema);
void access_done(void);

/* --- users ------------------------------------------------------------------------------------ */

/*
 * What the client may do. NULL for a recovery session, and while enable-nacm is false. Borrowed until the
 * next access_load(): an operation that takes several turns of the loop holds a reference.
 */
struct access *access_of(const struct ds_client *client);
/* NULL is fine in both. Returns @access. */
struct access *access_ref(struct access *access);
void access_unref(struct access *access);
DEFINE_CLEANUP(struct access *, access_unref)

/* --- questions -------------------------------------------------------------------------------- */

/* Nothing can be denied for this operation, wherever: no need to ask for nodes. For ACCESS_EXEC also
 * protocol operations. */
bool access_all(const struct access *access, enum access_op op);
/* All instances of a schema node (of data, or an action or notification within data). */
enum access_verdict access_schema(
	const struct access *access, const struct lysc_node *schema, enum access_op op);
/* The instances of @schema with everything that can be below them: PERMIT, DENY (all of it), or DEPENDS
 * (ask for the nodes). */
enum access_verdict access_below(
	const struct access *access, const struct lysc_node *schema, enum access_op op);
/*
 * One node where it stands (its parents are looked at). For reading: its parents may be denied all the
 * same; whoever walks a tree leaves out what is below a denied node. A denied write is counted: callers
 * stop at the first.
 */
bool access_node(const struct access *access, const struct lyd_node *node, enum access_op op);
/*
 * The same for a node of a request, which may be without value (opaque), or none that we have (nobody may
 * anything then). Not counted.
 */
bool access_request(const struct access *access, const struct lyd_node *node, enum access_op op);
/* Reading @node and all its parents, with the keys of entries: those are no data without them. */
bool access_visible(const struct access *access, const struct lyd_node *node);
/* The same of an instance path, whether such a node exists or not. What is no path is not visible. */
bool access_sees(const struct access *access, const char *path);
/* A protocol operation or other RPC ("ietf-netconf", "edit-config"). A denial is counted. */
bool access_rpc(const struct access *access, const char *module, const char *rpc);
/* An action, in its parents: reading those and executing it. A denial is counted. */
bool access_action(const struct access *access, const struct lyd_node *action);
/* A notification (within data: in its parents). A denial is counted. */
bool access_notification(const struct access *access, const struct lyd_node *notification);

/*
 * The error for a node that access_node() denied: access-denied, with the path of the node or, where the
 * client may not read that far, of the deepest node above it that it may read.
 */
int access_denied(const struct access *access, const struct lyd_node *node, struct err *err);
/* The same, where access_request() denied a write: counts it. */
int access_denied_write(const struct access *access, const struct lyd_node *node, struct err *err);
/*
 * Is the error about a node that the client may not read? Then *ret_err is the same without what would tell
 * of it (RFC 8341 section 3.2.5).
 */
bool access_conceal(const struct access *access, const struct err *err, struct err *ret_err);

#endif
