/*
 * The services of Infix that are the servers of this daemon. "ssh" is where the device answers to SSH beside
 * NETCONF's own port: with the same subsystem, and no shell. "web" is where RESTCONF is; unless it says
 * something, that is where the daemon was told at its start.
 */
#include <errno.h>

#include "ashlar/str.h"

#include "endpoint-read.h"

#define SSH_PORT     22
#define HOST_KEY_MAX 8
#define IDLE_S	     3600
#define LOGIN_S	     30

static int want_ssh(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node;
	struct endpoint *endpoint;

	if (!node_bool(unit->node, "enabled", false))
		return 0;
	endpoint = want_object(want, &object_kind_endpoint, "ssh", "listen");
	endpoint->params.transport = ENDPOINT_SSH;
	endpoint->params.login_s = LOGIN_S;
	endpoint->params.idle_s = IDLE_S;
	NODE_FOREACH (node, unit->node, "hostkey") {
		if (endpoint->params.host_key_count == HOST_KEY_MAX)
			return err_set(
				err, -E2BIG, "hostkey", "at most %d host keys", HOST_KEY_MAX);
		endpoint_params_add_host_key(&endpoint->params, node_value(node));
		want_needs(endpoint, &object_kind_key, node_value(node));
	}
	NODE_FOREACH (node, unit->node, "listen")
		endpoint_add_bind(endpoint, node_text(node, "address", "::"),
			(uint16_t)node_u64(node, "port", SSH_PORT));
	if (!endpoint->bind_count)
		endpoint_add_bind(endpoint, "::", SSH_PORT);
	return 0;
}

/* A key without certificate would serve nobody; the leaf only says that the key exists. */
static int check_certificate(const struct unit *unit, const char *name, struct err *err)
{
	const struct lyd_node *keys =
		node_child(node_top(unit->node, "keystore"), "asymmetric-keys");
	const struct lyd_node *key = node_entry(keys, "asymmetric-key", name);

	if (node_at(key, "certificates/certificate"))
		return 0;
	return err_set(err, -EINVAL, "certificate", "the key \"%s\" has no certificate", name);
}

/* It may have lost its last certificate. */
static void affects_web(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *web = node_top(node, "web");

	if (web &&
		str_equal(node_text(web, "certificate", NULL),
			node_text(node_ancestor(node, "asymmetric-key"), "name", "")))
		unit_set_add(set, web);
}

static int want_web(const struct unit *unit, struct want *want, struct err *err)
{
	const char *certificate = node_text(unit->node, "certificate", NULL);
	struct endpoint *endpoint;

	if (!certificate && !node_exists(unit->node, "enabled") &&
		!node_exists(unit->node, "restconf/enabled"))
		return 0;
	if (certificate && check_certificate(unit, certificate, err) < 0)
		return -EINVAL;
	(void)want_object(want, &object_kind_serving, SERVING_WEB, "");
	if (!node_bool(unit->node, "enabled", true) ||
		!node_bool(unit->node, "restconf/enabled", true))
		return 0;
	endpoint = want_object(want, &object_kind_endpoint, "web", "enabled");
	endpoint->params.transport = ENDPOINT_HTTPS;
	endpoint->params.key = xstrdup(certificate);
	if (certificate)
		want_needs(endpoint, &object_kind_key, certificate);
	endpoint_add_bind(endpoint, "::", 0);
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	return str_equal(unit->schema->name, "ssh") ? want_ssh(unit, want, err)
						    : want_web(unit, want, err);
}

const struct feature feature_services = {
	.name = "services",
	.modules = (const struct feature_module[]){ { "infix-services", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ "/infix-services:ssh", "/infix-services:web", NULL },
	.vital = (const char *const[]){ "/infix-services:ssh", "/infix-services:web", NULL },
	.except =
		(const char *const[]){
			"/infix-services:web/console",
			"/infix-services:web/netbrowse",
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ "/ietf-keystore:keystore/asymmetric-keys/asymmetric-key/certificates/"
			  "certificate",
				affects_web },
			{ NULL, NULL },
		},
	.want = want,
};
