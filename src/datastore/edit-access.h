/*
 * What access control says to a request (RFC 8341 section 3.2.5), also where the request comes to nothing:
 * who may not change a node and may not read it is to be refused alike whether it is there or not, and
 * whatever it holds. All return 0 or access-denied, and cost a look at a pointer when nothing is denied to
 * the client.
 */
#ifndef ASHLAR_DATASTORE_EDIT_ACCESS_H
#define ASHLAR_DATASTORE_EDIT_ACCESS_H

#include "edit.h"

/* The operation that a node of a request asks for itself, or else @inherited. */
enum edit_operation edit_access_operation(
	const struct lyd_node *node, enum edit_operation inherited);

/* May it be done with this node of the tree, or of the request? */
int edit_access_may(const struct edit *edit, const struct lyd_node *node, enum access_op op,
	struct err *err) WARN_UNUSED;
/* Removing a subtree needs the right to delete all of it. */
int edit_access_may_remove(
	const struct edit *edit, const struct lyd_node *node, struct err *err) WARN_UNUSED;
/* Making what the request has at and below @request. */
int edit_access_may_make(
	const struct edit *edit, const struct lyd_node *request, struct err *err) WARN_UNUSED;
/*
 * Of a node, which may be a request's without counterpart, that is left as it is: may the client know that
 * because it can read it, or may it do with it what it asked for?
 */
int edit_access_may_know(const struct edit *edit, const struct lyd_node *node, enum access_op op,
	struct err *err) WARN_UNUSED;
/*
 * The same for a node that is there and in which the request, whose operation is @op, may have nothing to do;
 * children of the request are asked about on their own.
 */
int edit_access_may_pass(const struct edit *edit, const struct lyd_node *node,
	const struct lyd_node *request, enum edit_operation op, struct err *err) WARN_UNUSED;
/* All that the request asks for at and below @request, where nothing is. */
int edit_access_may_want(const struct edit *edit, const struct lyd_node *request,
	enum edit_operation inherited, struct err *err) WARN_UNUSED;

#endif
