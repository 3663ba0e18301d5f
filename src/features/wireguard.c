/*
 * WireGuard tunnels: the private key is one of the keystore, each public key in the bags of the truststore that
 * are named is a peer. What is said of one peer goes before what is said of all in its bag. The own key may be
 * in there, so that all ends of a mesh can share a bag: nobody is a peer of himself.
 *
 * A private key that the device is still to make is waited for: the link is there, and has no peers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "ashlar/clock.h"
#include "ashlar/str.h"

#include "interface.h"
#include "key-pair.h"

#define WIREGUARD   "infix-interfaces:wireguard"
#define PRIVATE_KEY WIREGUARD "/private-key"
#define PEERS	    WIREGUARD "/peers"
#define UP_S	    180 /* keys that are older are not used (REJECT_AFTER_TIME) */

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!str_equal(interface_guess(interface_name(unit->node), NULL, NULL), "wireguard"))
		return 0;
	return interface_fill_type(edit, unit, "wireguard", err);
}

static int check(const struct unit *unit, struct err *err)
{
	return interface_is(unit->node, "wireguard")
		? interface_check_kind(&link_kind_wireguard, err)
		: 0;
}

/* --- want -------------------------------------------------------------------------------------- */

/* 32 bytes of a binary leaf, or of what is encrypted beside it. */
static int read_symmetric(const struct lyd_node *entry, uint8_t to[WIREGUARD_KEY], struct err *err)
{
	const struct lyd_node *encrypted = node_child(entry, "encrypted-symmetric-key");
	_cleanup_secret_ struct secret secret = { 0 };
	int r = encrypted
		? key_pair_decrypt(encrypted, &secret, err)
		: key_pair_bytes(entry, "cleartext-symmetric-key", KEY_SIZE_MAX, &secret, err);

	if (r < 0)
		return r;
	if (secret.size != WIREGUARD_KEY)
		return err_set(err, -EINVAL, NULL, "a preshared key has %d bytes, not %zu",
			WIREGUARD_KEY, secret.size);
	memcpy(to, secret.data, WIREGUARD_KEY);
	return 0;
}

/* The node that says it of the peer; NULL: nobody does. @own may be NULL. */
static const struct lyd_node *setting(
	const struct lyd_node *own, const struct lyd_node *all, const char *name)
{
	const struct lyd_node *node = node_child(own, name);

	return node ? node : node_child(all, name);
}

static int read_endpoint(const struct lyd_node *own, const struct lyd_node *all,
	struct wireguard_peer *peer, struct err *err)
{
	const struct lyd_node *node = setting(own, all, "endpoint");
	const struct lyd_node *port = setting(own, all, "endpoint-port");
	const char *text = node ? node_value(node) : NULL;
	uint64_t number = 0;

	if (!text)
		return 0;
	peer->endpoint_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(peer->endpoint_family, text, &peer->endpoint) != 1)
		return err_set(
			err, -EINVAL, "endpoint", "\"%s\" is not an address without a zone", text);
	if (port && str_u64(node_value(port), 0, UINT16_MAX, &number) == 0)
		peer->endpoint_port = (uint16_t)number;
	return 0;
}

/* The kernel would give it to the last who asks, and take it from the others without a word. */
static int refuse_shared(const struct lyd_node *ip, struct err *err)
{
	_cleanup_free_ char *path = path_of(ip);

	return err_set(err, -EINVAL, path,
		"%s belongs to another peer of this interface: what is sent there goes to one",
		node_value(ip));
}

static int read_ips(const struct lyd_node *own, const struct lyd_node *all,
	struct wireguard *wireguard, struct wireguard_peer *peer, struct err *err)
{
	const struct lyd_node *node;

	for (node = setting(own, all, "allowed-ips"); node; node = node_next(node)) {
		char text[INET6_ADDRSTRLEN + 4], *slash;
		const char *value = node_value(node);
		uint8_t family = strchr(value, ':') ? AF_INET6 : AF_INET;
		struct in6_addr addr;
		uint64_t length;

		if (str_copy(text, sizeof(text), value) < 0 || !(slash = strchr(text, '/')))
			return err_set(err, -EINVAL, "allowed-ips", "\"%s\" is no prefix", value);
		*slash = '\0';
		if (inet_pton(family, text, &addr) != 1 ||
			str_u64(slash + 1, 0, family == AF_INET6 ? 128 : 32, &length) < 0)
			return err_set(err, -EINVAL, "allowed-ips", "\"%s\" is no prefix", value);
		if (!wireguard_add_ip(wireguard, peer, family, &addr, (uint8_t)length))
			return refuse_shared(node, err);
	}
	return 0;
}

static int read_settings(const struct lyd_node *own, const struct lyd_node *all,
	struct wireguard *wireguard, struct wireguard_peer *peer, struct err *err)
{
	const struct lyd_node *psk = setting(own, all, "preshared-key");
	const struct lyd_node *keepalive = setting(own, all, "persistent-keepalive");
	uint64_t seconds = 0;
	int r = 0;

	if (psk) {
		const struct lyd_node *keys =
			node_child(node_top(all, "keystore"), "symmetric-keys");

		r = read_symmetric(node_entry(keys, "symmetric-key", node_value(psk)),
			peer->preshared_key, err);
		if (r < 0)
			return err_set(
				err, r, "preshared-key", "%s: %s", node_value(psk), err_text(err));
	}
	if (keepalive && str_u64(node_value(keepalive), 0, UINT16_MAX, &seconds) == 0)
		peer->keepalive_s = (uint16_t)seconds;
	r = read_endpoint(own, all, peer, err);
	return r < 0 ? r : read_ips(own, all, wireguard, peer, err);
}

/* All of a bag. */
static int read_peers(const struct lyd_node *peers, const struct secret *self,
	struct wireguard *wireguard, struct err *err)
{
	const struct lyd_node *bags = node_child(node_top(peers, "truststore"), "public-key-bags");
	const struct lyd_node *bag =
		node_entry(bags, "public-key-bag", node_text(peers, "public-key-bag", ""));
	const struct lyd_node *key;

	NODE_FOREACH (key, bag, "public-key") {
		const char *name = node_text(key, "name", "");
		_cleanup_secret_ struct secret public = { 0 };
		int r = key_pair_bytes(key, "public-key", KEY_SIZE_MAX, &public, err);

		if (r == 0 && public.size != WIREGUARD_KEY)
			r = err_set(err, -EINVAL, NULL, "a public key has %d bytes, not %zu",
				WIREGUARD_KEY, public.size);
		if (r < 0)
			return err_set(err, r, "public-key-bag", "key %s: %s", name, err_text(err));
		if (!memcmp(public.data, self->data, WIREGUARD_KEY))
			continue;
		if (wireguard_peer(wireguard, public.data))
			return err_set(err, -EINVAL, "public-key-bag",
				"key %s: the interface has this peer already", name);
		r = read_settings(node_entry(peers, "peer", name), peers, wireguard,
			wireguard_add_peer(wireguard, public.data), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_bags(const struct unit *unit, const struct secret *self,
	struct wireguard *wireguard, struct err *err)
{
	const struct lyd_node *peers;
	int r = 0;

	NODE_FOREACH (peers, node_child(unit->node, WIREGUARD), "peers") {
		r = read_peers(peers, self, wireguard, err);
		if (r < 0) {
			_cleanup_free_ char *at = xasprintf(PEERS "[public-key-bag='%s']",
				node_text(peers, "public-key-bag", ""));

			err_prefix(err, at);
			break;
		}
	}
	return r;
}

/* What will be wrong when the key is there is wrong now. */
static int check_peers(const struct unit *unit, struct err *err)
{
	static const uint8_t nobody[WIREGUARD_KEY];
	const struct secret self = { .data = (uint8_t *)nobody, .size = sizeof(nobody) };
	struct wireguard wireguard = { 0 };
	int r = read_bags(unit, &self, &wireguard, err);

	object_kind_wireguard.done(&wireguard.object);
	return r;
}

static int want_peers(const struct unit *unit, const struct key_pair *pair, struct want *want,
	struct link *link, struct err *err)
{
	_cleanup_secret_ struct secret self = { 0 };
	struct wireguard *wireguard;
	int r;

	if (pair->key->type != KEY_X25519)
		return err_set(err, -EINVAL, PRIVATE_KEY, "the key is not one on Curve25519");
	r = key_public(pair->key, KEY_PUBLIC_X25519, &self, err);
	if (r < 0)
		return r;
	wireguard = want_object(want, &object_kind_wireguard, link->object.key, WIREGUARD);
	want_needs(wireguard, &object_kind_link, link->object.key);
	wireguard_set_key(wireguard, pair->key->seed);
	wireguard->port = (uint16_t)node_u64(unit->node, WIREGUARD "/listen-port", 51820);
	return read_bags(unit, &self, wireguard, err);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *keys =
		node_child(node_top(unit->node, "keystore"), "asymmetric-keys");
	_cleanup_key_pair_ struct key_pair pair = { 0 };
	struct link *link;
	int r;

	if (!interface_is(unit->node, "wireguard"))
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, WIREGUARD, err);
	if (r < 0)
		return r;
	link->kind = &link_kind_wireguard;
	r = key_pair_read(
		node_entry(keys, "asymmetric-key", node_text(unit->node, PRIVATE_KEY, "")), &pair,
		err);
	if (r < 0)
		return err_set(err, r, PRIVATE_KEY, "%s", err_text(err));
	return pair.key ? want_peers(unit, &pair, want, link, err) : check_peers(unit, err);
}

/* A key has changed: there are few tunnels, and fewer changes of keys. */
static void affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *entry;

	NODE_FOREACH (entry, node_top(node, "interfaces"), "interface") {
		if (interface_is(entry, "wireguard"))
			unit_set_add(set, entry);
	}
}

/* --- show -------------------------------------------------------------------------------------- */

static int show_endpoint(const struct wireguard_peer *seen, struct lyd_node *peer, struct err *err)
{
	char text[INET6_ADDRSTRLEN];
	int r;

	if (!seen->endpoint_family ||
		!inet_ntop(seen->endpoint_family, &seen->endpoint, text, sizeof(text)))
		return 0;
	r = build_leaf(peer, "endpoint-address", text, err);
	return r < 0 ? r : build_u64(peer, "endpoint-port", seen->endpoint_port, err);
}

static int show_peer(const struct wireguard_peer *seen, struct lyd_node *status, struct err *err)
{
	_cleanup_free_ char *key = secret_encode(seen->public_key, WIREGUARD_KEY);
	int64_t age = (int64_t)time(NULL) - seen->handshake.tv_sec;
	struct lyd_node *peer = NULL, *transfer = NULL;
	char text[CLOCK_TEXT_MAX];
	int r = build_entry(status, "peer", key, &peer, err);

	if (r == 0 && seen->handshake.tv_sec) {
		clock_text(text, (time_t)seen->handshake.tv_sec);
		r = build_leaf(peer, "latest-handshake", text, err);
	}
	if (r == 0)
		r = show_endpoint(seen, peer, err);
	if (r == 0)
		r = build_container(peer, "transfer", &transfer, err);
	if (r == 0)
		r = build_u64(transfer, "tx-bytes", seen->tx_bytes, err);
	if (r == 0)
		r = build_u64(transfer, "rx-bytes", seen->rx_bytes, err);
	return r < 0 ? r
		     : build_leaf(peer, "connection-status",
			       seen->handshake.tv_sec && age < UP_S ? "up" : "down", err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	const struct wireguard *seen = link && link->kind == &link_kind_wireguard
		? have_get(have, &object_kind_wireguard, link->object.key)
		: NULL;
	struct lyd_node *wireguard = NULL, *status = NULL;
	int r;

	if (!seen || !interface_is_shown_as(node, "wireguard"))
		return 0;
	r = build_container(node, WIREGUARD, &wireguard, err);
	if (r == 0 && !node_exists(wireguard, "private-key"))
		r = build_u64(wireguard, "listen-port", seen->port, err);
	if (r == 0)
		r = build_container(wireguard, "peer-status", &status, err);
	for (size_t i = 0; r == 0 && i < seen->peer_count; i++)
		r = show_peer(&seen->peers[i], status, err);
	return r;
}

const struct feature feature_wireguard = {
	.name = "wireguard",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:wireguard", NULL },
	.reads =
		(const struct feature_reads[]){
			{ "/ietf-keystore:keystore/asymmetric-keys/asymmetric-key", affects },
			{ "/ietf-keystore:keystore/symmetric-keys/symmetric-key", affects },
			{ "/ietf-truststore:truststore/public-key-bags/public-key-bag", affects },
			{ NULL, NULL },
		},
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
	.refreshes = (const struct object_kind *const[]){ &object_kind_wireguard, NULL },
	.silent =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:wireguard/peer-status",
			NULL,
		},
	.link_types = (const char *const[]){ "wireguard", NULL },
};
