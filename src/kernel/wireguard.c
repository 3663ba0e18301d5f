/*
 * Keys, UDP port and peers of WireGuard links, by generic netlink: an object beside the link, which comes
 * before the link goes up. A message says what differs and nothing else, so that peers who are talking go on.
 *
 * The kernel tells of no change by itself. It is read when a link appears, after each change and when somebody
 * asks. Peers move about: where one was last heard from is no less right than where it was configured, so an
 * endpoint is compared only when configuration says another one than before, or when the peer has never been
 * heard: then it can only have been given. An allowed address belongs to one peer, here as there.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define MESSAGE_FULL (NL_MESSAGE_BYTES - 512) /* a peer's fixed part fits beside it */
#define IPS_FULL     (NL_MESSAGE_BYTES - 64)

/* --- building ---------------------------------------------------------------------------------- */

void wireguard_set_key(struct wireguard *wireguard, const uint8_t key[WIREGUARD_KEY])
{
	memcpy(wireguard->private_key, key, WIREGUARD_KEY);
	wireguard->private_key[0] &= 248;
	wireguard->private_key[31] = (uint8_t)((wireguard->private_key[31] & 127) | 64);
}

static void peer_done(struct wireguard_peer *peer)
{
	explicit_bzero(peer->preshared_key, sizeof(peer->preshared_key));
	free(peer->ips);
}

struct wireguard_peer *wireguard_peer(
	const struct wireguard *wireguard, const uint8_t key[WIREGUARD_KEY])
{
	for (size_t i = 0; i < wireguard->peer_count; i++) {
		if (!memcmp(wireguard->peers[i].public_key, key, WIREGUARD_KEY))
			return &wireguard->peers[i];
	}
	return NULL;
}

struct wireguard_peer *wireguard_add_peer(
	struct wireguard *wireguard, const uint8_t key[WIREGUARD_KEY])
{
	struct wireguard_peer *peer = wireguard_peer(wireguard, key);

	if (peer) {
		peer_done(peer);
	} else {
		wireguard->peers =
			xreallocarray(wireguard->peers, wireguard->peer_count + 1, sizeof(*peer));
		peer = &wireguard->peers[wireguard->peer_count++];
	}
	*peer = (struct wireguard_peer){ 0 };
	memcpy(peer->public_key, key, WIREGUARD_KEY);
	return peer;
}

/* The address without the bits behind the prefix. */
static struct wireguard_ip make_ip(uint8_t family, const void *addr, uint8_t length)
{
	struct wireguard_ip ip = { .family = family, .prefix_length = length };
	size_t size = family == AF_INET6 ? 16 : 4;
	uint8_t octets[16] = { 0 };

	memcpy(octets, addr, size);
	for (size_t i = 0; i < size; i++) {
		size_t bits = i * 8 >= length ? 0 : length - i * 8;

		if (bits < 8)
			octets[i] &= (uint8_t)(0xff00 >> bits);
	}
	memcpy(&ip.addr, octets, sizeof(ip.addr));
	return ip;
}

static int compare_ips(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wireguard_ip));
}

static void append_ip(struct wireguard_peer *peer, const struct wireguard_ip *ip)
{
	peer->ips = xreallocarray(peer->ips, peer->ip_count + 1, sizeof(*ip));
	peer->ips[peer->ip_count++] = *ip;
}

static bool has_ip(const struct wireguard_peer *peer, const struct wireguard_ip *ip)
{
	for (size_t i = 0; i < peer->ip_count; i++) {
		if (!compare_ips(&peer->ips[i], ip))
			return true;
	}
	return false;
}

bool wireguard_add_ip(struct wireguard *wireguard, struct wireguard_peer *peer, uint8_t family,
	const void *addr, uint8_t length)
{
	struct wireguard_ip ip = make_ip(family, addr, length);

	for (size_t i = 0; i < wireguard->peer_count; i++) {
		if (has_ip(&wireguard->peers[i], &ip))
			return &wireguard->peers[i] == peer;
	}
	append_ip(peer, &ip);
	return true;
}

/* --- what differs ------------------------------------------------------------------------------ */

static bool ips_equal(const struct wireguard_peer *a, const struct wireguard_peer *b)
{
	size_t size = a->ip_count * sizeof(*a->ips);
	struct wireguard_ip *p, *q;
	bool equal;

	if (a->ip_count != b->ip_count)
		return false;
	if (!size || !memcmp(a->ips, b->ips, size))
		return true;
	p = xmemdup(a->ips, size);
	q = xmemdup(b->ips, size);
	qsort(p, a->ip_count, sizeof(*p), compare_ips);
	qsort(q, b->ip_count, sizeof(*q), compare_ips);
	equal = !memcmp(p, q, size);
	free(p);
	free(q);
	return equal;
}

static bool endpoints_equal(const struct wireguard_peer *a, const struct wireguard_peer *b)
{
	return a->endpoint_family == b->endpoint_family && a->endpoint_port == b->endpoint_port &&
		!memcmp(&a->endpoint, &b->endpoint, sizeof(a->endpoint));
}

/* See the head of the file. @was and @have may be NULL. */
static bool is_endpoint_due(const struct wireguard_peer *want, const struct wireguard_peer *was,
	const struct wireguard_peer *have, bool is_former)
{
	if (!want->endpoint_family || (have && endpoints_equal(want, have)))
		return false;
	if (!have || is_former || !have->rx_bytes)
		return true;
	return was && !endpoints_equal(want, was);
}

/* An endpoint can be given, but not taken: that takes another peer of the same key. */
static bool must_be_made_again(const struct wireguard_peer *want, const struct wireguard_peer *have)
{
	return have && !want->endpoint_family && have->endpoint_family && !have->rx_bytes;
}

/* Attributes that a message about a peer is to hold. */
struct peer_delta {
	bool again, psk, endpoint, keepalive, ips;
};

static bool find_delta(struct peer_delta *delta, const struct wireguard_peer *want,
	const struct wireguard_peer *was, const struct wireguard_peer *have, bool is_former)
{
	static const struct wireguard_peer fresh;
	bool again = must_be_made_again(want, have);
	const struct wireguard_peer *now = have && !again ? have : &fresh;

	*delta = (struct peer_delta){
		.again = again,
		.psk = memcmp(want->preshared_key, now->preshared_key, WIREGUARD_KEY) != 0,
		.endpoint = is_endpoint_due(want, was, have, is_former),
		.keepalive = want->keepalive_s != now->keepalive_s,
		.ips = !ips_equal(want, now),
	};
	return !have || again || delta->psk || delta->endpoint || delta->keepalive || delta->ips;
}

static bool is_former(const struct wireguard *want)
{
	return !want->object.want;
}

/* A port that is not said is any. */
static bool device_differs(const struct wireguard *want, const struct wireguard *have)
{
	return memcmp(want->private_key, have->private_key, WIREGUARD_KEY) ||
		(want->port && want->port != have->port);
}

static enum object_diff wireguard_compare(const struct object *want_object,
	const struct object *was_object, const struct object *have_object)
{
	const struct wireguard *want = (const struct wireguard *)want_object;
	const struct wireguard *was = (const struct wireguard *)was_object;
	const struct wireguard *have = (const struct wireguard *)have_object;
	struct peer_delta delta;

	if (device_differs(want, have) || want->peer_count != have->peer_count)
		return OBJECT_CHANGE;
	for (size_t i = 0; i < want->peer_count; i++) {
		const struct wireguard_peer *peer = &want->peers[i];

		if (find_delta(&delta, peer, was ? wireguard_peer(was, peer->public_key) : NULL,
			    wireguard_peer(have, peer->public_key), is_former(want)))
			return OBJECT_CHANGE;
	}
	return OBJECT_SAME;
}

static void wireguard_copy(struct object *to_object, const struct object *from_object)
{
	const struct wireguard *from = (const struct wireguard *)from_object;
	struct wireguard *to = (struct wireguard *)to_object;

	to->peers = xmemdup(from->peers, from->peer_count * sizeof(*from->peers));
	for (size_t i = 0; i < to->peer_count; i++)
		to->peers[i].ips = xmemdup(
			from->peers[i].ips, from->peers[i].ip_count * sizeof(*from->peers[i].ips));
}

static void wireguard_done(struct object *object)
{
	struct wireguard *wireguard = (struct wireguard *)object;

	explicit_bzero(wireguard->private_key, sizeof(wireguard->private_key));
	for (size_t i = 0; i < wireguard->peer_count; i++)
		peer_done(&wireguard->peers[i]);
	free(wireguard->peers);
}

static bool wireguard_equal(const struct object *a, const struct object *b)
{
	const struct wireguard *one = (const struct wireguard *)a;
	const struct wireguard *other = (const struct wireguard *)b;

	if (one->port != other->port)
		return false;
	for (size_t i = 0; i < one->peer_count; i++) {
		const struct wireguard_peer *peer = wireguard_peer(other, one->peers[i].public_key);

		if (peer && !endpoints_equal(peer, &one->peers[i]))
			return false;
	}
	return wireguard_compare(a, NULL, b) == OBJECT_SAME;
}

static void wireguard_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "keys and peers of interface %s", object->key);
}

static enum object_owner wireguard_owner(const struct object *have)
{
	const struct link *link = have_get(have_all(), &object_kind_link, have->key);

	return link && link_mark(link) ? OBJECT_OURS : OBJECT_FOREIGN;
}

/* --- reading ----------------------------------------------------------------------------------- */

static void take_endpoint(struct wireguard_peer *peer, const struct nlattr *attr)
{
	const struct sockaddr_in *in = mnl_attr_get_payload(attr);
	const struct sockaddr_in6 *in6 = mnl_attr_get_payload(attr);
	size_t size = mnl_attr_get_payload_len(attr);

	if (size == sizeof(*in) && in->sin_family == AF_INET) {
		peer->endpoint_family = AF_INET;
		peer->endpoint_port = ntohs(in->sin_port);
		memcpy(&peer->endpoint, &in->sin_addr, sizeof(in->sin_addr));
	} else if (size == sizeof(*in6) && in6->sin6_family == AF_INET6) {
		peer->endpoint_family = AF_INET6;
		peer->endpoint_port = ntohs(in6->sin6_port);
		peer->endpoint = in6->sin6_addr;
	}
}

static void take_ip(struct wireguard_peer *peer, const struct nlattr *entry)
{
	struct wireguard_ip ip = { 0 };
	const struct nlattr *attr;
	uint16_t family = 0;

	mnl_attr_for_each_nested (attr, entry) {
		size_t size = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case WGALLOWEDIP_A_FAMILY:
			link_take_number(&family, sizeof(family), attr);
			ip.family = (uint8_t)family;
			break;
		case WGALLOWEDIP_A_IPADDR:
			if (size == 4 || size == sizeof(ip.addr))
				memcpy(&ip.addr, mnl_attr_get_payload(attr), size);
			break;
		case WGALLOWEDIP_A_CIDR_MASK:
			link_take_number(&ip.prefix_length, sizeof(ip.prefix_length), attr);
			break;
		}
	}
	append_ip(peer, &ip);
}

static void take_value(struct wireguard_peer *peer, const struct nlattr *attr)
{
	const struct nlattr *entry;

	switch (mnl_attr_get_type(attr)) {
	case WGPEER_A_PRESHARED_KEY:
		link_take_number(peer->preshared_key, sizeof(peer->preshared_key), attr);
		break;
	case WGPEER_A_ENDPOINT:
		take_endpoint(peer, attr);
		break;
	case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
		link_take_number(&peer->keepalive_s, sizeof(peer->keepalive_s), attr);
		break;
	case WGPEER_A_LAST_HANDSHAKE_TIME:
		link_take_number(&peer->handshake, sizeof(peer->handshake), attr);
		break;
	case WGPEER_A_RX_BYTES:
		link_take_number(&peer->rx_bytes, sizeof(peer->rx_bytes), attr);
		break;
	case WGPEER_A_TX_BYTES:
		link_take_number(&peer->tx_bytes, sizeof(peer->tx_bytes), attr);
		break;
	case WGPEER_A_ALLOWEDIPS:
		mnl_attr_for_each_nested (entry, attr)
			take_ip(peer, entry);
		break;
	}
}

/* One with many addresses comes in several messages. */
static void take_peer(struct wireguard *wireguard, const struct nlattr *entry)
{
	uint8_t key[WIREGUARD_KEY] = { 0 };
	const struct nlattr *attr;
	struct wireguard_peer *peer;

	mnl_attr_for_each_nested (attr, entry) {
		if (mnl_attr_get_type(attr) == WGPEER_A_PUBLIC_KEY)
			link_take_number(key, sizeof(key), attr);
	}
	peer = wireguard->peer_count ? &wireguard->peers[wireguard->peer_count - 1] : NULL;
	if (!peer || memcmp(peer->public_key, key, sizeof(key)))
		peer = wireguard_add_peer(wireguard, key);
	mnl_attr_for_each_nested (attr, entry)
		take_value(peer, attr);
}

static int take_device(const struct nlmsghdr *nlh, void *arg)
{
	struct wireguard *wireguard = arg;
	const struct nlattr *attr, *entry;

	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case WGDEVICE_A_PRIVATE_KEY:
			link_take_number(wireguard->private_key, WIREGUARD_KEY, attr);
			break;
		case WGDEVICE_A_LISTEN_PORT:
			link_take_number(&wireguard->port, sizeof(wireguard->port), attr);
			break;
		case WGDEVICE_A_PEERS:
			mnl_attr_for_each_nested (entry, attr)
				take_peer(wireguard, entry);
			break;
		}
	}
	return 0;
}

static struct nlmsghdr *begin(char buffer[NL_MESSAGE_BYTES], uint8_t command, uint32_t ifindex)
{
	static int family;
	struct nlmsghdr *nlh;
	struct genlmsghdr *genl;

	if (!family)
		family = nl_genl_family(WG_GENL_NAME);
	memset(buffer, 0, NL_MESSAGE_BYTES);
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = family > 0 ? (uint16_t)family : 0;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = WG_GENL_VERSION;
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, ifindex);
	return nlh;
}

static bool has_key(const struct wireguard *wireguard)
{
	static const uint8_t none[WIREGUARD_KEY];

	return memcmp(wireguard->private_key, none, sizeof(none)) != 0;
}

/* A link without key and peers is as if nothing had been said of it. NULL: it is one. */
static struct wireguard *read_device(struct nl *nl, const struct link *link)
{
	char buffer[NL_MESSAGE_BYTES];
	struct wireguard *wireguard = object_new(&object_kind_wireguard, link->object.key);
	struct nlmsghdr *nlh = begin(buffer, WG_CMD_GET_DEVICE, link->ifindex);
	int r;

	nlh->nlmsg_flags = NLM_F_DUMP;
	r = nl_genl_request(nl, nlh, take_device, wireguard);
	if (r < 0)
		log_debug("wireguard", "reading %s: %s", link->object.key, strerror(-r));
	if (r == 0 && (has_key(wireguard) || wireguard->peer_count))
		return wireguard;
	object_free(&wireguard->object);
	return NULL;
}

void wireguard_read(struct nl *nl, const struct link *link)
{
	struct wireguard *wireguard = read_device(nl, link);

	if (wireguard)
		have_put(&wireguard->object);
	else
		have_remove(&object_kind_wireguard, link->object.key);
}

/* In a dump what is not there goes afterwards. */
static int wireguard_dump(struct nl *nl, struct err *err)
{
	struct wireguard *wireguard;
	const struct link *link;
	size_t at = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if (link->kind != &link_kind_wireguard || !str_equal(link_netns(link), nl->netns))
			continue;
		wireguard = read_device(nl, link);
		if (wireguard)
			watch_put(nl, &wireguard->object);
	}
	return 0;
}

static int wireguard_refresh(const char *key, struct err *err)
{
	const struct link *link;
	size_t at = 0;

	if (kernel_is_recording())
		return 0;
	link = key ? have_get(have_all(), &object_kind_link, key)
		   : have_next(have_all(), &object_kind_link, &at);
	for (; link; link = key ? NULL : have_next(have_all(), &object_kind_link, &at)) {
		if (link->kind == &link_kind_wireguard && nl_of(link_netns(link)))
			wireguard_read(nl_of(link_netns(link)), link);
	}
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

struct writing {
	struct step *step;
	struct nl *nl;
	uint32_t ifindex;
	char buffer[NL_MESSAGE_BYTES];
	struct nlmsghdr *nlh; /* NULL: none is begun */
	struct nlattr *peers; /* the nest, when it is */
	int error;
};

static int nothing(const struct nlmsghdr *nlh, void *arg)
{
	return 0;
}

static void send_message(struct writing *to)
{
	int r;

	if (!to->nlh)
		return;
	if (to->peers)
		mnl_attr_nest_end(to->nlh, to->peers);
	to->nlh->nlmsg_flags |= NLM_F_ACK;
	nl_count_change();
	to->step->is_done = true;
	r = nl_genl_request(to->nl, to->nlh, nothing, NULL);
	if (r < 0 && !to->error)
		to->error = r;
	explicit_bzero(to->buffer, sizeof(to->buffer));
	to->nlh = NULL;
	to->peers = NULL;
}

static struct nlmsghdr *message(struct writing *to)
{
	if (to->nlh && to->nlh->nlmsg_len > MESSAGE_FULL)
		send_message(to);
	if (!to->nlh)
		to->nlh = begin(to->buffer, WG_CMD_SET_DEVICE, to->ifindex);
	return to->nlh;
}

static struct nlattr *begin_peer(
	struct writing *to, const struct wireguard_peer *peer, uint32_t flags)
{
	struct nlmsghdr *nlh = message(to);
	struct nlattr *entry;

	if (!to->peers)
		to->peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	entry = mnl_attr_nest_start(nlh, 0);
	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, WIREGUARD_KEY, peer->public_key);
	if (flags)
		mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, flags);
	return entry;
}

static void put_endpoint(struct nlmsghdr *nlh, const struct wireguard_peer *peer)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(peer->endpoint_port),
		.sin6_addr = peer->endpoint };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(peer->endpoint_port) };

	memcpy(&in.sin_addr, &peer->endpoint, sizeof(in.sin_addr));
	if (peer->endpoint_family == AF_INET6)
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(in6), &in6);
	else
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(in), &in);
}

static void put_ip(struct nlmsghdr *nlh, const struct wireguard_ip *ip)
{
	struct nlattr *entry = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, ip->family);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, ip->family == AF_INET6 ? 16 : 4, &ip->addr);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, ip->prefix_length);
	mnl_attr_nest_end(nlh, entry);
}

/* What does not fit goes on in another message, which adds to what was said. */
static void put_ips(struct writing *to, struct nlattr *entry, const struct wireguard_peer *peer)
{
	struct nlattr *ips = mnl_attr_nest_start(to->nlh, WGPEER_A_ALLOWEDIPS);

	for (size_t i = 0; i < peer->ip_count; i++) {
		if (to->nlh->nlmsg_len > IPS_FULL) {
			mnl_attr_nest_end(to->nlh, ips);
			mnl_attr_nest_end(to->nlh, entry);
			send_message(to);
			entry = begin_peer(to, peer, 0);
			ips = mnl_attr_nest_start(to->nlh, WGPEER_A_ALLOWEDIPS);
		}
		put_ip(to->nlh, &peer->ips[i]);
	}
	mnl_attr_nest_end(to->nlh, ips);
	mnl_attr_nest_end(to->nlh, entry);
}

static void remove_peer(struct writing *to, const struct wireguard_peer *peer)
{
	struct nlattr *entry = begin_peer(to, peer, WGPEER_F_REMOVE_ME);

	mnl_attr_nest_end(to->nlh, entry);
}

static void put_peer(
	struct writing *to, const struct wireguard_peer *peer, const struct peer_delta *delta)
{
	struct nlattr *entry;

	if (delta->again)
		remove_peer(to, peer);
	entry = begin_peer(to, peer, delta->ips ? WGPEER_F_REPLACE_ALLOWEDIPS : 0);

	if (delta->psk)
		mnl_attr_put(to->nlh, WGPEER_A_PRESHARED_KEY, WIREGUARD_KEY, peer->preshared_key);
	if (delta->endpoint)
		put_endpoint(to->nlh, peer);
	if (delta->keepalive)
		mnl_attr_put_u16(
			to->nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer->keepalive_s);
	if (delta->ips)
		put_ips(to, entry, peer);
	else
		mnl_attr_nest_end(to->nlh, entry);
}

static void put_device(
	struct writing *to, const struct wireguard *want, const struct wireguard *have)
{
	if (memcmp(want->private_key, have->private_key, WIREGUARD_KEY))
		mnl_attr_put(message(to), WGDEVICE_A_PRIVATE_KEY, WIREGUARD_KEY, want->private_key);
	if (want->port && want->port != have->port)
		mnl_attr_put_u16(message(to), WGDEVICE_A_LISTEN_PORT, want->port);
}

static void write_changes(struct writing *to, const struct wireguard *want,
	const struct wireguard *was, const struct wireguard *have)
{
	struct peer_delta delta;

	put_device(to, want, have);
	for (size_t i = 0; i < have->peer_count; i++) {
		if (!wireguard_peer(want, have->peers[i].public_key))
			remove_peer(to, &have->peers[i]);
	}
	for (size_t i = 0; i < want->peer_count; i++) {
		const struct wireguard_peer *peer = &want->peers[i];

		if (find_delta(&delta, peer, was ? wireguard_peer(was, peer->public_key) : NULL,
			    wireguard_peer(have, peer->public_key), is_former(want)))
			put_peer(to, peer, &delta);
	}
	send_message(to);
}

static const char *words_of(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "the UDP port is in use";
	case -EOPNOTSUPP:
	case -ENOENT:
		return link_kind_wireguard.lacking;
	default:
		return strerror(-error);
	}
}

static const struct wireguard *observed(const char *key)
{
	return have_get(have_all(), &object_kind_wireguard, key);
}

/* Another of ours that has the port and is to have another one, or none: who gives way gets any for the moment. */
static const struct link *holder_of_port(const struct wireguard *want, const struct nl *nl)
{
	const struct wireguard *other;
	size_t at = 0;

	while (want->port && (other = have_next(have_all(), &object_kind_wireguard, &at))) {
		const char *key = other->object.key;
		const struct object *wanted = state_wanted(&object_kind_wireguard, key);
		const struct link *link = have_get(have_all(), &object_kind_link, key);

		if (other->port == want->port && !str_equal(key, want->object.key) && link &&
			link_mark(link) && str_equal(link_netns(link), nl->netns) &&
			(!wanted || ((const struct wireguard *)wanted)->port != want->port))
			return link;
	}
	return NULL;
}

static void take_port(struct writing *to, const struct wireguard *want)
{
	const struct link *holder = holder_of_port(want, to->nl);
	struct writing other = { .step = to->step, .nl = to->nl };

	if (!holder)
		return;
	other.ifindex = holder->ifindex;
	mnl_attr_put_u16(message(&other), WGDEVICE_A_LISTEN_PORT, 0);
	send_message(&other);
	wireguard_read(to->nl, holder);
}

static int wireguard_encode(struct nl_batch *batch, struct step *step)
{
	static const struct wireguard blank;
	const char *key = (step->want ? step->want : step->have)->key;
	_cleanup_free_ char *name = xstrdup(key);
	struct writing to = { .step = step };
	const struct link *link;

	nl_batch_flush(batch); /* the link may be made in there */
	link = have_get(have_all(), &object_kind_link, name);
	to.nl = link ? nl_of(link_netns(link)) : NULL;
	if (!to.nl)
		return step->op == STEP_REMOVE
			? 0
			: err_set(&step->err, -ENODEV, NULL, "%s does not exist", name);
	to.ifindex = link->ifindex;
	if (step->want)
		take_port(&to, (const struct wireguard *)step->want);
	write_changes(&to, step->want ? (const struct wireguard *)step->want : &blank,
		(const struct wireguard *)step->was, observed(name) ? observed(name) : &blank);
	wireguard_read(to.nl, link);
	if (!to.error)
		return 0;
	return err_set(&step->err, to.error, NULL, "%s", words_of(to.error));
}

const struct object_kind object_kind_wireguard = {
	.name = "wireguard",
	.rank = KERNEL_RANK_WIREGUARD,
	.size = sizeof(struct wireguard),
	.target = &kernel_target,
	.compare = wireguard_compare,
	.copy = wireguard_copy,
	.done = wireguard_done,
	.equal = wireguard_equal,
	.describe = wireguard_describe,
	.owner = wireguard_owner,
	.refresh = wireguard_refresh,
};

const struct nl_object wireguard_object = {
	.kind = &object_kind_wireguard,
	.encode = wireguard_encode,
	.dump = wireguard_dump,
};

/* --- the link ---------------------------------------------------------------------------------- */

static enum object_diff compare_link(const struct link *want, const struct link *have)
{
	return OBJECT_SAME;
}

const struct link_kind link_kind_wireguard = {
	.name = "wireguard",
	.mtu = 1420,
	.compare = compare_link,
	.lacking = "this kernel has no WireGuard tunnels (CONFIG_WIREGUARD)",
};
