/* Clients that the NETCONF server calls (ietf-netconf-server, RFC 8071): each becomes an object. */
#include <errno.h>

#include "ashlar/caller.h"
#include "ashlar/str.h"

#include "endpoint-read.h"

#define PLACES_MAX 64

static enum caller_start read_start(const char *text)
{
	if (str_equal(text, "last-connected"))
		return CALLER_LAST_CONNECTED;
	return str_equal(text, "random-selection") ? CALLER_RANDOM : CALLER_FIRST_LISTED;
}

static int read_anchor(struct caller *caller, const struct lyd_node *periodic, struct err *err)
{
	const char *text = node_text(periodic, "anchor-time", NULL);

	if (!text)
		return 0;
	caller->has_anchor = true;
	if (ly_time_str2time(text, &caller->anchor, NULL) == LY_SUCCESS)
		return 0;
	return err_set(err, -EINVAL, "connection-type/periodic/anchor-time", "%s: no time", text);
}

static int read_place(struct caller *caller, const struct unit *unit, const struct lyd_node *entry,
	uint32_t idle_s, struct want *want, struct err *err)
{
	const struct lyd_node *ssh = node_child(entry, "ssh");
	const struct lyd_node *tcp =
		node_child(ssh ? ssh : node_child(entry, "tls"), "tcp-client-parameters");
	const char *local = node_text(tcp, "local-address", "");
	struct caller_place *place;

	if (caller->place_count == PLACES_MAX)
		return err_set(err, -E2BIG, "endpoints", "at most %d endpoints", PLACES_MAX);
	place = caller_add_place(caller, node_text(entry, "name", ""));
	place->host = xstrdup(node_text(tcp, "remote-address", ""));
	place->port = (uint16_t)node_u64(tcp, "remote-port", 0);
	place->local_port = (uint16_t)node_u64(tcp, "local-port", 0);
	place->params.idle_s = idle_s;
	endpoint_read_keepalives(&place->params, tcp);
	if (str_copy(place->local_address, sizeof(place->local_address), local) < 0)
		return err_set(err, -EINVAL, "endpoints", "%s: not an address to bind to", local);
	if (!*local && place->local_port)
		return err_set(err, -EINVAL, "endpoints",
			"endpoint %s: a local port needs a local address", place->name);
	return endpoint_read_transport(&place->params, &caller->object, unit, entry, want, err);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *periodic = node_at(unit->node, "connection-type/periodic");
	const struct lyd_node *strategy = node_child(unit->node, "reconnect-strategy"), *entry;
	struct caller *caller = want_object(
		want, &object_kind_caller, node_text(unit->node, "name", ""), "endpoints");
	uint32_t idle_s = periodic ? (uint32_t)node_u64(periodic, "idle-timeout", 180) : 0;
	int r;

	caller->is_periodic = periodic;
	caller->period_s = (uint32_t)node_u64(periodic, "period", 60) * 60;
	if (periodic && !caller->period_s)
		return err_set(err, -EINVAL, "connection-type/periodic/period",
			"a period of nothing is no period");
	caller->start = read_start(node_text(strategy, "start-with", NULL));
	caller->max_wait_s = (uint32_t)node_u64(strategy, "max-wait", 5);
	caller->max_attempts = (uint32_t)node_u64(strategy, "max-attempts", 3);
	r = read_anchor(caller, periodic, err);
	NODE_FOREACH (entry, node_child(unit->node, "endpoints"), "endpoint") {
		if (r == 0)
			r = read_place(caller, unit, entry, idle_s, want, err);
	}
	return r;
}

/* Clients of endpoints where we listen, who may log in here. */
static void affects_referring(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *server = node_ancestor(node, "netconf-server"), *client, *endpoint;

	NODE_FOREACH (client, node_child(server, "call-home"), "netconf-client")
		NODE_FOREACH (endpoint, node_child(client, "endpoints"), "endpoint")
			if (endpoint_has_reference(endpoint))
				unit_set_add(set, client);
}

#define CLIENT	 "/ietf-netconf-server:netconf-server/call-home/netconf-client"
#define ENDPOINT CLIENT "/endpoints/endpoint"

const struct feature feature_call_home = {
	.name = "call-home",
	.modules =
		(const struct feature_module[]){
			{ "ietf-netconf-server",
				(const char *const[]){ "ssh-call-home", "tls-call-home", NULL } },
			{ "ietf-tcp-client",
				(const char *const[]){ "local-binding-supported",
					"tcp-client-keepalives", NULL } },
			{ NULL, NULL },
		},
	.roots = (const char *const[]){ CLIENT, NULL },
	.vital = (const char *const[]){ CLIENT, NULL },
	.reads =
		(const struct feature_reads[]){
			{ "/ietf-netconf-server:netconf-server/listen/endpoints/endpoint",
				affects_referring },
			{ NULL, NULL },
		},
	.want = want,
	.actions =
		(const struct feature_action[]){
			{ ENDPOINT "/tls/tls-server-parameters/server-identity/certificate/"
				   "inline-definition/generate-csr",
				endpoint_run_request },
			{ NULL, NULL },
		},
};
