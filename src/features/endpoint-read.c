#include <ctype.h>
#include <errno.h>

#include "ashlar/buf.h"
#include "ashlar/str.h"

#include "endpoint-read.h"
#include "trust.h"

#define NP2	     "libnetconf2-netconf-server:"
#define HOST_KEY_MAX 8 /* each is copied into each session */
#define MAPS_MAX     1024

struct reading {
	struct endpoint_params *params;
	struct object *object;
	const struct unit *unit;
	const struct lyd_node *node; /* "ssh" or "tls" */
	struct want *want;
	struct endpoint_clients *clients; /* of those that are being read */
};

char *endpoint_inline_name(const struct lyd_node *node)
{
	return path_of(node);
}

void endpoint_run_request(struct action_call *call)
{
	_cleanup_free_ char *name = endpoint_inline_name(call->target);

	key_pair_request(call, name);
}

void endpoint_read_keepalives(struct endpoint_params *params, const struct lyd_node *tcp)
{
	const struct lyd_node *node = node_child(tcp, "keepalives");

	params->has_keepalive = node;
	params->keepalive_idle_s = (uint32_t)node_u64(node, "idle-time", 7200);
	params->keepalive_probes = (uint32_t)node_u64(node, "max-probes", 9);
	params->keepalive_interval_s = (uint32_t)node_u64(node, "probe-interval", 75);
}

/* Says in an error where @node is, from the unit. */
static int at(const struct reading *reading, const struct lyd_node *node, int r, struct err *err)
{
	_cleanup_free_ char *path = r < 0 ? path_of(node) : NULL;

	if (path && str_starts(path, reading->unit->path))
		err_prefix(err, path + strlen(reading->unit->path) + 1);
	return r;
}

static int refuse_lacking(const struct lyd_node *node, struct err *err)
{
	return err_set(err, -EINVAL, "cleartext-private-key",
		"the device makes keys in the keystore only: refer to one there");
}

/* A key pair that stands where it is used; with its one certificate, if it has any. */
static int read_inline_key(const struct reading *reading, const struct lyd_node *node,
	char **ret_name, struct err *err)
{
	_cleanup_key_pair_ struct key_pair pair = { 0 };
	_cleanup_free_ char *name = endpoint_inline_name(node), *pem = NULL;
	struct credential *credential;
	int r = key_pair_read(node, &pair, err);

	if (r == 0 && pair.is_lacking)
		r = refuse_lacking(node, err);
	if (r == 0)
		r = key_pair_cert(&pair, node, &pem, err);
	if (r < 0)
		return at(reading, node, r, err);
	credential = want_object(reading->want, &object_kind_key, name, "");
	if (pem)
		credential_add_cert(credential, xstrdup(""), TAKE(pem));
	*ret_name = TAKE(name);
	return key_pair_offer(&pair, credential, err);
}

/* --- SSH -------------------------------------------------------------------------------------- */

static int read_host_key(
	const struct reading *reading, const struct lyd_node *entry, struct err *err)
{
	const struct lyd_node *public = node_child(entry, "public-key");
	const struct lyd_node *definition = node_child(public, "inline-definition");
	_cleanup_free_ char *name = NULL;
	int r = 0;

	if (definition)
		r = read_inline_key(reading, definition, &name, err);
	else
		name = xstrdup(node_text(public, "central-keystore-reference", ""));
	if (r < 0)
		return r;
	endpoint_params_add_host_key(reading->params, name);
	want_needs(reading->object, &object_kind_key, name);
	return 0;
}

static int read_algorithms(const struct reading *reading, enum algorithm_use use,
	const struct lyd_node *parent, const char *list, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lyd_node *node;

	NODE_FOREACH (node, parent, list) {
		const char *name = node_value(node);

		if (!algorithm_is_supported(use, name)) {
			_cleanup_free_ char *supported = algorithm_list(use);

			return at(reading, node,
				err_set(err, -EINVAL, NULL, "%s is not supported; supported are %s",
					name, supported),
				err);
		}
		(void)!buf_printf(&text, "%s%s", text.length ? "," : "", name); /* no ceiling */
	}
	reading->params->algorithms[use] = text.length ? buf_take(&text) : NULL;
	return 0;
}

static int read_ssh(const struct reading *reading, struct err *err)
{
	static const struct {
		enum algorithm_use use;
		const char *parent, *list;
	} lists[] = {
		{ ALGORITHM_HOST_KEY, "transport-params/host-key", "host-key-alg" },
		{ ALGORITHM_KEX, "transport-params/key-exchange", "key-exchange-alg" },
		{ ALGORITHM_CIPHER, "transport-params/encryption", "encryption-alg" },
		{ ALGORITHM_MAC, "transport-params/mac", "mac-alg" },
	};
	const struct lyd_node *ssh = node_child(reading->node, "ssh-server-parameters");
	const struct lyd_node *identity = node_child(ssh, "server-identity"), *entry;
	size_t count = 0;
	int r = 0;

	reading->params->transport = ENDPOINT_SSH;
	reading->params->banner = xstrdup(node_text(identity, NP2 "banner", NULL));
	reading->params->login_s =
		(uint32_t)node_u64(ssh, "client-authentication/" NP2 "auth-timeout", 30);
	NODE_FOREACH (entry, identity, "host-key") {
		if (++count > HOST_KEY_MAX)
			return err_set(err, -E2BIG, "ssh/ssh-server-parameters/server-identity",
				"at most %d host keys", HOST_KEY_MAX);
		r = read_host_key(reading, entry, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++)
		r = read_algorithms(
			reading, lists[i].use, node_at(ssh, lists[i].parent), lists[i].list, err);
	return r;
}

/* --- TLS -------------------------------------------------------------------------------------- */

static int read_tls_identity(
	const struct reading *reading, const struct lyd_node *tls, struct err *err)
{
	const struct lyd_node *node = node_at(tls, "server-identity/certificate");
	const struct lyd_node *definition = node_child(node, "inline-definition");
	const struct lyd_node *reference = node_child(node, "central-keystore-reference");
	struct endpoint_params *params = reading->params;
	int r;

	if (definition) {
		if (!*node_text(definition, "cert-data", ""))
			return at(reading, definition,
				err_set(err, -EINVAL, "cert-data", "there is no certificate"), err);
		r = read_inline_key(reading, definition, &params->key, err);
		if (r < 0)
			return r;
	} else {
		params->key = xstrdup(node_text(reference, "asymmetric-key", NULL));
		params->cert = xstrdup(node_text(reference, "certificate", NULL));
		if (!params->key || !params->cert)
			return at(reading, node,
				err_set(err, -EINVAL, NULL, "there is no certificate"), err);
	}
	want_needs(reading->object, &object_kind_key, params->key);
	return 0;
}

static int read_trust(const struct reading *reading, const struct lyd_node *node, char **ret_name,
	struct err *err)
{
	const struct lyd_node *definition = node_child(node, "inline-definition");
	const char *reference = node_text(node, "central-truststore-reference", NULL);
	int r = 0;

	if (definition) {
		*ret_name = endpoint_inline_name(definition);
		/* What another endpoint holds, that one wants. */
		if (str_starts(*ret_name, reading->unit->path))
			r = trust_read(definition,
				want_object(reading->want, &object_kind_trust, *ret_name, ""), err);
	} else if (reference) {
		*ret_name = xstrdup(reference);
	}
	if (*ret_name)
		want_needs(reading->object, &object_kind_trust, *ret_name);
	return at(reading, definition, r, err);
}

static enum endpoint_map_type map_type(const char *identity)
{
	static const char *const names[] = {
		[ENDPOINT_MAP_SPECIFIED] = "specified",
		[ENDPOINT_MAP_RFC822] = "san-rfc822-name",
		[ENDPOINT_MAP_DNS] = "san-dns-name",
		[ENDPOINT_MAP_IP] = "san-ip-address",
		[ENDPOINT_MAP_ANY] = "san-any",
		[ENDPOINT_MAP_COMMON_NAME] = "common-name",
	};
	size_t i = 0;

	while (i < ARRAY_SIZE(names) - 1 && !str_equal(names[i], identity))
		i++;
	return (enum endpoint_map_type)i;
}

static int read_maps(const struct reading *reading, const struct lyd_node *tls, struct err *err)
{
	const struct lyd_node *node;

	NODE_FOREACH (node, node_at(tls, "netconf-server-parameters/client-identity-mappings"),
		"cert-to-name") {
		_cleanup_free_ char *fingerprint = xstrdup(node_text(node, "fingerprint", NULL));

		for (char *c = fingerprint; c && *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (reading->clients->map_count == MAPS_MAX)
			return at(reading, node,
				err_set(err, -E2BIG, NULL, "at most %d entries", MAPS_MAX), err);
		endpoint_clients_add_map(reading->clients, (uint32_t)node_u64(node, "id", 0),
			map_type(node_identity(node, "map-type")), fingerprint,
			node_text(node, "name", NULL));
	}
	return 0;
}

static int read_clients(struct reading *reading, const struct lyd_node *tls, struct err *err)
{
	const struct lyd_node *node = node_at(tls, "tls-server-parameters/client-authentication");
	int r;

	reading->clients = endpoint_params_add_clients(reading->params);
	r = read_trust(reading, node_child(node, "ca-certs"), &reading->clients->ca, err);
	if (r == 0)
		r = read_trust(reading, node_child(node, "ee-certs"), &reading->clients->ee, err);
	return r < 0 ? r : read_maps(reading, tls, err);
}

static unsigned tls_version(const struct lyd_node *tls, const char *path)
{
	const char *name = node_identity(tls, path);

	return !name ? 0 : str_equal(name, "tls13") ? 13 : 12;
}

static int read_tls(struct reading *reading, struct err *err)
{
	const struct lyd_node *tls = node_child(reading->node, "tls-server-parameters");
	const struct lyd_node *clients = node_child(tls, "client-authentication");
	struct endpoint_params *params = reading->params;
	int r;

	params->transport = ENDPOINT_TLS;
	if (!clients)
		return err_set(err, -EINVAL, "tls/tls-server-parameters",
			"without client-authentication nobody can be known (RFC 7589)");
	r = read_tls_identity(reading, tls, err);
	if (r == 0)
		r = read_clients(reading, reading->node, err);
	if (r == 0)
		r = read_algorithms(reading, ALGORITHM_SUITE,
			node_at(tls, "hello-params/cipher-suites"), "cipher-suite", err);
	params->tls_min = tls_version(tls, "hello-params/tls-versions/min");
	params->tls_max = tls_version(tls, "hello-params/tls-versions/max");
	if (r == 0 && params->tls_min && params->tls_max && params->tls_min > params->tls_max)
		r = err_set(err, -EINVAL, "tls/tls-server-parameters/hello-params/tls-versions",
			"no version is left: the least is above the greatest");
	return r;
}

/* --- clients of other endpoints ----------------------------------------------------------------- */

/* @node: "ssh" or "tls". */
static const struct lyd_node *reference_of(const struct lyd_node *node)
{
	return node_at(node,
		str_equal(node->schema->name, "ssh")
			? "ssh-server-parameters/client-authentication/" NP2 "endpoint-reference"
			: "tls-server-parameters/client-authentication/" NP2 "endpoint-reference");
}

static const struct lyd_node *transport_of(const struct lyd_node *entry)
{
	const struct lyd_node *ssh = node_child(entry, "ssh");

	return ssh ? ssh : node_child(entry, "tls");
}

bool endpoint_has_reference(const struct lyd_node *entry)
{
	const struct lyd_node *node = transport_of(entry);

	return node && reference_of(node);
}

/* Over SSH there is nothing more to be read: its users are those of the system everywhere. */
static int read_references(struct reading *reading, struct err *err)
{
	const struct lyd_node *endpoints =
		node_at(node_ancestor(reading->node, "netconf-server"), "listen/endpoints");
	const char *transport = reading->node->schema->name;
	const struct lyd_node *own = reference_of(reading->node), *at_node = own;
	int r = 0;

	for (size_t count = 1; r == 0 && at_node; count++) {
		const char *name = node_value(at_node);
		const struct lyd_node *node =
			node_child(node_entry(endpoints, "endpoint", name), transport);

		if (!node)
			r = err_set(err, -EINVAL, NULL, "the endpoint \"%s\" is not one of %s",
				name, transport);
		else if (count == ENDPOINT_CLIENTS_MAX || node == reading->node)
			r = err_set(err, -EINVAL, NULL,
				"references go round in a circle, or over more than %d endpoints",
				ENDPOINT_CLIENTS_MAX);
		else if (reading->params->transport == ENDPOINT_TLS)
			r = read_clients(reading, node, err);
		at_node = node ? reference_of(node) : NULL;
	}
	return at(reading, own, r, err);
}

int endpoint_read_transport(struct endpoint_params *params, struct object *object,
	const struct unit *unit, const struct lyd_node *node, struct want *want, struct err *err)
{
	struct reading reading = { params, object, unit, transport_of(node), want, NULL };
	int r = str_equal(reading.node->schema->name, "ssh") ? read_ssh(&reading, err)
							     : read_tls(&reading, err);

	return r < 0 ? r : read_references(&reading, err);
}
