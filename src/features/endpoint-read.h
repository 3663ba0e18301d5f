/* What ietf-ssh-server, ietf-tls-server and ietf-tcp-* say of a connection, accepted or made. */
#ifndef ASHLAR_FEATURES_ENDPOINT_READ_H
#define ASHLAR_FEATURES_ENDPOINT_READ_H

#include "ashlar/endpoint.h"

#include "key-pair.h"

/*
 * Reads the container "ssh" or "tls" of @node, an entry in @unit, into the parameters of @object. Keys and
 * trust that stand there themselves become objects of @want.
 */
int endpoint_read_transport(struct endpoint_params *params, struct object *object,
	const struct unit *unit, const struct lyd_node *node, struct want *want,
	struct err *err) WARN_UNUSED;
/* @tcp: the container that may hold "keepalives". */
void endpoint_read_keepalives(struct endpoint_params *params, const struct lyd_node *tcp);
/*
 * Does the container "ssh" or "tls" of @entry say that clients of another endpoint may log in, too? Then it is to
 * be read again when one of those changes.
 */
bool endpoint_has_reference(const struct lyd_node *entry);
/* What the key or trust that stands at @node is known as; malloc'd. */
char *endpoint_inline_name(const struct lyd_node *node);
/* The action generate-csr of a key that stands in an endpoint. */
void endpoint_run_request(struct action_call *call);

#endif
