/*
 * Where NETCONF is served (ietf-netconf-server): each endpoint becomes an object, with what it needs of keys
 * and trust. Without the container "listen" the server is where it was told to be at its start.
 *
 * Users who log in over SSH are those of the system; over TLS it is the certificate that tells the name.
 */
#include <errno.h>
#include <stdlib.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/local.h"
#include "ashlar/server-options.h"
#include "ashlar/str.h"

#include "endpoint-read.h"

static bool is_named(const struct unit *unit, const char *name)
{
	return str_equal(unit->schema->name, name);
}

/* --- want ------------------------------------------------------------------------------------- */

#define UNIX "libnetconf2-netconf-server:unix"

/*
 * A client on the local socket does not say who it wants to be: an account that may have several names has
 * its own, if that is among them.
 */
static int read_mapping(struct local *local, const struct lyd_node *entry, struct err *err)
{
	const char *account = node_text(entry, "system-user", ""), *user = NULL;
	const struct lyd_node *node;
	size_t count = 0;

	NODE_FOREACH (node, entry, "netconf-user") {
		count++;
		if (!user || str_equal(node_value(node), account))
			user = node_value(node);
	}
	if (count > 1 && !str_equal(user, account))
		return err_set(err, -EINVAL, UNIX "/client-authentication",
			"%s cannot choose among several names; its own is not one of them",
			account);
	local_add_mapping(local, account, user);
	return 0;
}

static int want_local(const struct unit *unit, const struct lyd_node *socket, uint32_t idle_s,
	struct want *want, struct err *err)
{
	const struct lyd_node *permissions = node_child(socket, "socket-permissions"), *node;
	struct local *local;
	int r = 0;

	NODE_FOREACH (node, lyd_parent(unit->node), "endpoint")
		if (node != unit->node && node_exists(node, UNIX))
			return err_set(err, -EINVAL, UNIX,
				"there is one local socket, which is another endpoint's");
	local = want_object(want, &object_kind_local, "", UNIX "/socket-permissions");
	local->mode = (mode_t)strtoul(node_text(permissions, "mode", "0660"), NULL, 8);
	local->owner = xstrdup(node_text(permissions, "owner", NULL));
	local->group = xstrdup(node_text(permissions, "group", NULL));
	local->idle_s = idle_s;
	NODE_FOREACH (node, node_child(socket, "client-authentication"), "user-mapping")
		if (r == 0)
			r = read_mapping(local, node, err);
	return r;
}

static int want_endpoint(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *ssh = node_child(unit->node, "ssh");
	const struct lyd_node *tls = node_child(unit->node, "tls");
	const struct lyd_node *listen = node_ancestor(unit->node, "listen"), *bind;
	const struct lyd_node *tcp = node_child(ssh ? ssh : tls, "tcp-server-parameters");
	_cleanup_free_ char *key = xasprintf("netconf %s", node_text(unit->node, "name", ""));
	const struct lyd_node *socket = node_at(unit->node, UNIX);
	uint32_t idle_s = (uint32_t)node_u64(listen, "idle-timeout", 180);
	struct endpoint *endpoint;

	if (socket)
		return want_local(unit, socket, idle_s, want, err);
	endpoint = want_object(want, &object_kind_endpoint, key,
		ssh ? "ssh/tcp-server-parameters/local-bind"
		    : "tls/tcp-server-parameters/local-bind");
	NODE_FOREACH (bind, tcp, "local-bind")
		endpoint_add_bind(endpoint, node_text(bind, "local-address", "::"),
			(uint16_t)node_u64(bind, "local-port", 0));
	endpoint->params.idle_s = idle_s;
	endpoint_read_keepalives(&endpoint->params, tcp);
	return endpoint_read_transport(
		&endpoint->params, &endpoint->object, unit, unit->node, want, err);
}

/* "3m", "2w", "7d", "12h": a month has 30 days. */
static uint32_t period_s(const char *text)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 'm', 30 * 86400 }, { 'w', 7 * 86400 }, { 'd', 86400 }, { 'h', 3600 } };
	char *end;
	unsigned long count = strtoul(text, &end, 10);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (*end == units[i].unit)
			return (uint32_t)count * units[i].seconds;
	return 0; /* the model has no other */
}

static int want_options(const struct unit *unit, struct want *want)
{
	const struct lyd_node *intervals =
		node_child(unit->node, "certificate-expiration-notif-intervals");
	struct server_options *options;
	const struct lyd_node *node;

	if (!node_exists(intervals, "interval") && !node_exists(unit->node, "ignored-hello-module"))
		return 0;
	options = want_object(want, &object_kind_server_options, "", "");
	NODE_FOREACH (node, intervals, "interval")
		server_options_add_interval(options, period_s(node_text(node, "anchor", "")),
			period_s(node_text(node, "period", "")));
	NODE_FOREACH (node, unit->node, "ignored-hello-module")
		server_options_add_unannounced(options, node_value(node));
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	if (is_named(unit, "ln2-netconf-server"))
		return want_options(unit, want);
	if (is_named(unit, "endpoint"))
		return want_endpoint(unit, want, err);
	if (is_named(unit, "listen"))
		(void)want_object(want, &object_kind_serving, SERVING_NETCONF, "");
	return 0;
}

/* Each endpoint's sessions have the idle timeout. */
static void affects_idle(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *endpoint;

	NODE_FOREACH (endpoint, node_at(lyd_parent(node), "endpoints"), "endpoint")
		unit_set_add(set, endpoint);
}

/* Whose clients may log in at others. */
static void affects_referring(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *endpoint;

	NODE_FOREACH (endpoint, node_ancestor(node, "endpoints"), "endpoint")
		if (endpoint_has_reference(endpoint))
			unit_set_add(set, endpoint);
}

/* --- show ------------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (str_equal(unit_schema->name, "supported-algorithms"))
		add(arg, NULL);
}

static int show_algorithms(
	struct lyd_node *node, const char *container, enum algorithm_use use, struct err *err)
{
	struct lyd_node *to = node;
	int r = container ? build_container(node, container, &to, err) : 0;

	for (const char *const *at = algorithm_supported[use]; r == 0 && *at; at++)
		r = build_item(to, "supported-algorithm", *at, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	int r;

	if (!is_named(unit, "supported-algorithms"))
		return 0;
	if (str_equal(unit->schema->module->name, "ietf-tls-common"))
		return show_algorithms(node, NULL, ALGORITHM_SUITE, err);
	r = show_algorithms(node, "public-key-algorithms", ALGORITHM_HOST_KEY, err);
	if (r == 0)
		r = show_algorithms(node, "encryption-algorithms", ALGORITHM_CIPHER, err);
	if (r == 0)
		r = show_algorithms(node, "key-exchange-algorithms", ALGORITHM_KEX, err);
	return r < 0 ? r : show_algorithms(node, "mac-algorithms", ALGORITHM_MAC, err);
}

/* --- actions ---------------------------------------------------------------------------------- */

#define LISTEN	 "/ietf-netconf-server:netconf-server/listen"
#define ENDPOINT LISTEN "/endpoints/endpoint"

const struct feature feature_netconf_server = {
	.name = "netconf-server",
	.modules =
		(const struct feature_module[]){
			{ "ietf-netconf-server",
				(const char *const[]){ "ssh-listen", "tls-listen",
					"central-netconf-server-supported", NULL } },
			{ "libnetconf2-netconf-server", NULL },
			{ "ietf-x509-cert-to-name", NULL },
			{ "ietf-tcp-common",
				(const char *const[]){ "keepalives-supported", NULL } },
			{ "ietf-tcp-server",
				(const char *const[]){ "tcp-server-keepalives", NULL } },
			{ "ietf-ssh-common",
				(const char *const[]){
					"algorithm-discovery", "transport-params", NULL } },
			{ "ietf-ssh-server", NULL },
			{ "ietf-tls-common",
				(const char *const[]){ "algorithm-discovery", "hello-params",
					"tls12",
#if CRYPTO_COMPAT_HAS_TLS13
					"tls13",
#endif
					NULL } },
			{ "ietf-tls-server",
				(const char *const[]){ "server-ident-x509-cert",
					"client-auth-supported", "client-auth-x509-cert", NULL } },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			LISTEN,
			ENDPOINT,
			"/libnetconf2-netconf-server:ln2-netconf-server",
			NULL,
		},
	.vital =
		(const char *const[]){
			LISTEN,
			ENDPOINT,
			"/libnetconf2-netconf-server:ln2-netconf-server",
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ LISTEN "/idle-timeout", affects_idle },
			{ ENDPOINT, affects_referring },
			{ NULL, NULL },
		},
	.state_roots =
		(const char *const[]){
			"/ietf-ssh-common:supported-algorithms",
			"/ietf-tls-common:supported-algorithms",
			NULL,
		},
	.want = want,
	.units = units,
	.show = show,
	.actions =
		(const struct feature_action[]){
			{ ENDPOINT "/tls/tls-server-parameters/server-identity/certificate/"
				   "inline-definition/generate-csr",
				endpoint_run_request },
			{ NULL, NULL },
		},
};
