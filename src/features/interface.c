/*
 * Interfaces, what all kinds share (RFC 8343): name, description, whether it is up, its state and counters.
 * The kinds themselves (bridge, veth …) are features of their own that add to the same link; an interface
 * without a kind of its own (Ethernet, loopback) is one that exists already, and is adopted.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/str.h"

#include "interface.h"

#define TYPE_PREFIX "infix-if-type:"
#define STACK_MAX   64 /* VLANs on VLANs: more than the kernel takes */
#define COUNTER32   0xffffffffU

const char *interface_name(const struct lyd_node *entry)
{
	const char *name = node_text(entry, "name", "");

	return strlen(name) < KERNEL_NAME_MAX ? name : "";
}

bool interface_is(const struct lyd_node *entry, const char *type)
{
	return str_equal(node_identity(entry, "type"), type);
}

bool interface_is_shown_as(const struct lyd_node *node, const char *type)
{
	return !node_exists(node, "type") || interface_is(node, type);
}

const struct lyd_node *interface_find(const struct lyd_node *entry, const char *name)
{
	return node_entry(lyd_parent(entry), "interface", name);
}

int interface_copy_name(
	char to[KERNEL_NAME_MAX], const char *name, const char *path, struct err *err)
{
	if (str_copy(to, KERNEL_NAME_MAX, name) < 0)
		return err_set(
			err, -EINVAL, path, "\"%s\" cannot be the name of an interface", name);
	return 0;
}

/*
 * What the kernel refuses, or completes by itself ("eth%d"), and what stands below /proc/sys/net for all
 * interfaces, or for those to come. Its idea of a blank includes one of Latin-1.
 */
int interface_check_name(const char *name, const char *path, struct err *err)
{
	static const char *const taken[] = { ".", "..", "all", "default" };
	bool is_good =
		*name && strlen(name) < KERNEL_NAME_MAX && !strpbrk(name, "/:% \t\n\v\f\r\xa0");

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		is_good &= !str_equal(name, taken[i]);
	return is_good
		? 0
		: err_set(err, -EINVAL, path,
			  "\"%s\" cannot be the name of an interface: one has at most 15 "
			  "characters, without '/', ':', '%%' and blanks, and is none of \".\", "
			  "\"..\", \"all\" and \"default\"",
			  name);
}

bool interface_is_above(const struct lyd_node *entry, const char *name)
{
	for (int i = 0; i < STACK_MAX && entry && interface_is(entry, "vlan"); i++) {
		const char *lower = node_text(entry, "infix-interfaces:vlan/lower-layer-if", "");

		if (str_equal(lower, name))
			return true;
		entry = interface_find(entry, lower);
	}
	return false;
}

struct link *interface_link(const struct unit *unit, struct want *want)
{
	return want_object(want, &object_kind_link, interface_name(unit->node), "");
}

const struct link *interface_seen(
	const struct unit *unit, const struct have *have, const struct lyd_node *node)
{
	return have_get(have, &object_kind_link, interface_name(node));
}

/* --- names that tell --------------------------------------------------------------------------- */

/* @prefix followed by digits only (at least one), then @end. */
static bool is_numbered(const char *name, const char *prefix, char end)
{
	size_t length = strlen(prefix), digits;

	if (strncmp(name, prefix, length))
		return false;
	digits = strspn(name + length, "0123456789");
	return digits > 0 && name[length + digits] == end && (!end || !name[length + digits + 1]);
}

static bool read_vid(const char *text, uint16_t *ret_vid)
{
	uint64_t vid;

	if (str_u64(text, 1, 4094, &vid) < 0)
		return false;
	if (ret_vid)
		*ret_vid = (uint16_t)vid;
	return true;
}

/* "dummy0" */
static const char *guess_by_prefix(const char *name)
{
	static const struct {
		const char *prefix, *type;
	} types[] = {
		{ "eth", "ethernet" },
		{ "dummy", "dummy" },
		{ "bond", "lag" },
		{ "lag", "lag" },
		{ "vxlan", "vxlan" },
		{ "gretap", "gretap" },
		{ "gre", "gre" },
		{ "wg", "wireguard" },
		{ "br", "bridge" },
		{ "docker", "bridge" },
		{ "podman", "bridge" },
		{ "veth", "veth" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (is_numbered(name, types[i].prefix, '\0'))
			return types[i].type;
	}
	return NULL;
}

const char *interface_guess(const char *name, char *ret_other, uint16_t *ret_vid)
{
	char other[KERNEL_NAME_MAX] = "";
	const char *dot = strrchr(name, '.'), *type = NULL;
	size_t length = strlen(name);

	if (length >= KERNEL_NAME_MAX)
		return NULL;
	if (dot && dot > name && read_vid(dot + 1, ret_vid)) {
		memcpy(other, name, (size_t)(dot - name));
		type = "vlan";
	} else if (is_numbered(name, "vlan", '\0') && read_vid(name + 4, ret_vid)) {
		type = "vlan";
	} else if (is_numbered(name, "veth", 'a') || is_numbered(name, "veth", 'b')) {
		memcpy(other, name, length);
		other[length - 1] = name[length - 1] == 'a' ? 'b' : 'a';
		type = "veth";
	} else if (str_equal(name, "lo")) {
		type = "loopback";
	} else {
		type = guess_by_prefix(name);
	}
	if (ret_other)
		memcpy(ret_other, other, sizeof(other));
	return type;
}

int interface_fill_type(
	struct edit *edit, const struct unit *unit, const char *type, struct err *err)
{
	_cleanup_free_ char *identity = NULL;

	if (node_exists(unit->node, "type"))
		return 0;
	identity = xasprintf(TYPE_PREFIX "%s", type);
	return edit_fill(edit, unit->node, "type", identity, err);
}

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!str_equal(interface_guess(interface_name(unit->node), NULL, NULL), "loopback"))
		return 0;
	return interface_fill_type(edit, unit, "loopback", err);
}

/* --- check and want ---------------------------------------------------------------------------- */

/* Some feature makes links of this type, or it is adopted. */
static bool is_supported(const char *type)
{
	if (str_equal(type, "ethernet") || str_equal(type, "loopback"))
		return true;
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		for (const char *const *of = (*feature)->link_types; of && *of; of++) {
			if (str_equal(*of, type))
				return true;
		}
	}
	return false;
}

int interface_check_kind(const struct link_kind *kind, struct err *err)
{
	return kernel_can_make(kind) ? 0
				     : err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
					       "%s", link_kind_lacking(kind));
}

static int check(const struct unit *unit, struct err *err)
{
	const char *name = node_text(unit->node, "name", ""),
		   *type = node_identity(unit->node, "type");
	int r = interface_check_name(name, "name", err);

	if (r < 0)
		return r;
	if (!type || !is_supported(type))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
			"interfaces of type %s are not supported by this device",
			type ? type : "none");
	if (str_equal(type, "loopback") != str_equal(name, "lo"))
		return err_set(
			err, -EINVAL, "type", "\"lo\" is the one interface of type loopback");
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	struct link *link = interface_link(unit, want);
	const char *description = node_text(unit->node, "description", NULL);
	struct link_up *up;
	int r;

	if (description && strlen(description) >= KERNEL_ALIAS_MAX)
		return err_set(
			err, -EINVAL, "description", "longer than %d bytes", KERNEL_ALIAS_MAX - 1);
	if (description && *description) {
		r = link_set(link, LINK_ALIAS, "description", err);
		if (r == 0)
			link_put_text(&link->alias, description);
		if (r < 0)
			return r;
	}
	if (!node_bool(unit->node, "enabled", true))
		return link_set(link, LINK_DOWN, "enabled", err);
	up = want_object(want, &object_kind_link_up, link->object.key, "enabled");
	want_needs(up, &object_kind_link, link->object.key);
	return 0;
}

/* --- show -------------------------------------------------------------------------------------- */

static int compare_links(const void *a, const void *b)
{
	const struct link *p = *(const struct link *const *)a, *q = *(const struct link *const *)b;

	if (p->ifindex != q->ifindex)
		return p->ifindex < q->ifindex ? -1 : 1;
	return strcmp(p->object.key, q->object.key);
}

/* In the order in which they were made. */
static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	_cleanup_free_ const struct link **links =
		xcalloc(have_count(have, &object_kind_link) + 1, sizeof(*links));
	size_t count = 0, at = 0;
	const struct link *link;

	while ((link = have_next(have, &object_kind_link, &at)))
		links[count++] = link;
	qsort(links, count, sizeof(*links), compare_links);
	for (size_t i = 0; i < count; i++)
		add(arg, links[i]->object.key);
}

static const char *type_of(const struct link *link)
{
	static const struct {
		const char *kind, *type;
	} types[] = {
		{ "bridge", "bridge" },
		{ "vlan", "vlan" },
		{ "veth", "veth" },
		{ "dummy", "dummy" },
		{ "bond", "lag" },
		{ "gre", "gre" },
		{ "gretap", "gretap" },
		{ "ip6gre", "gre" },
		{ "ip6gretap", "gretap" },
		{ "vxlan", "vxlan" },
		{ "dsa", "ethernet" },
		{ "wireguard", "wireguard" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (str_equal(types[i].kind, link->kind_name))
			return types[i].type;
	}
	if (link->arptype == ARPHRD_LOOPBACK)
		return "loopback";
	return link->arptype == ARPHRD_ETHER && !*link->kind_name ? "ethernet" : "other";
}

/* The loopback has no carrier to tell about. */
static const char *oper_status_of(const struct link *link)
{
	static const char *const names[] = {
		[IF_OPER_UNKNOWN] = "unknown",
		[IF_OPER_NOTPRESENT] = "not-present",
		[IF_OPER_DOWN] = "down",
		[IF_OPER_LOWERLAYERDOWN] = "lower-layer-down",
		[IF_OPER_TESTING] = "testing",
		[IF_OPER_DORMANT] = "dormant",
		[IF_OPER_UP] = "up",
	};

	if (!(link->flags & IFF_UP))
		return "down";
	if (link->operstate == IF_OPER_UNKNOWN && link->arptype == ARPHRD_LOOPBACK)
		return "up";
	return link->operstate < ARRAY_SIZE(names) ? names[link->operstate] : "unknown";
}

static int show_absent(struct lyd_node *node, struct err *err)
{
	uint64_t gone_ms = link_gone_ms(interface_name(node));
	char text[CLOCK_TEXT_MAX];
	int r = build_leaf(node, "admin-status", "down", err);

	if (r == 0)
		r = build_leaf(node, "oper-status", "not-present", err);
	if (r < 0 || !gone_ms)
		return r;
	clock_text_of_ms(text, gone_ms);
	return build_leaf(node, "last-change", text, err);
}

static int show_identity(const struct link *link, struct lyd_node *node, struct err *err)
{
	char text[CLOCK_TEXT_MAX];
	int r = 0;

	if (!node_exists(node, "type"))
		r = build_leaff(node, err, "type", TYPE_PREFIX "%s", type_of(link));
	if (r == 0 && !node_exists(node, "enabled"))
		r = build_bool(node, "enabled", link->flags & IFF_UP, err);
	if (r == 0 && link->alias && !node_exists(node, "description"))
		r = build_leaf(node, "description", link->alias, err);
	if (r == 0)
		r = build_leaf(node, "admin-status", link->flags & IFF_UP ? "up" : "down", err);
	if (r == 0)
		r = build_leaf(node, "oper-status", oper_status_of(link), err);
	if (r == 0 && link->last_change_ms) {
		clock_text_of_ms(text, link->last_change_ms);
		r = build_leaf(node, "last-change", text, err);
	}
	if (r == 0 && link->ifindex)
		r = build_u64(node, "if-index", link->ifindex, err);
	if (r == 0 && link->has_mac && link->arptype != ARPHRD_LOOPBACK) {
		str_mac(text, link->mac);
		r = build_leaf(node, "phys-address", text, err);
	}
	return r;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What stands on the link (@higher), or below it: the ports of a bridge. In the order of their names. */
static int show_stacked(const struct link *link, const struct have *have, struct lyd_node *node,
	bool higher, struct err *err)
{
	void *const *links;
	size_t count = have_group(have, &object_kind_link, link->object.key, &links), found = 0;
	_cleanup_free_ const char **names = xcalloc(count + 1, sizeof(*names));
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		const struct link *other = links[i];

		if (str_equal(other->master, link->object.key) != higher)
			names[found++] = other->object.key;
	}
	qsort(names, found, sizeof(*names), compare_texts);
	for (size_t i = 0; r == 0 && i < found; i++)
		r = build_item(node, higher ? "higher-layer-if" : "lower-layer-if", names[i], err);
	return r;
}

static int show_layers(
	const struct link *link, const struct have *have, struct lyd_node *node, struct err *err)
{
	int r = 0;

	if (*link->master)
		r = build_item(node, "higher-layer-if", link->master, err);
	if (r == 0)
		r = show_stacked(link, have, node, true, err);
	if (r == 0 && link->kind == &link_kind_vlan && *link->vlan.lower)
		r = build_item(node, "lower-layer-if", link->vlan.lower, err);
	if (r == 0)
		r = show_stacked(link, have, node, false, err);
	return r;
}

/*
 * Linux counts received multicast apart, sent multicast and broadcast with the rest. Counters begin at
 * boot, or when the link came.
 */
static int show_statistics(const struct link *link, struct lyd_node *node, struct err *err)
{
	static const struct link_stats none;
	const struct link_stats *stats = link->stats ? link->stats : &none;
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{ "in-octets", stats->rx_bytes },
		{ "in-unicast-pkts", stats->rx_packets - stats->rx_multicast },
		{ "in-multicast-pkts", stats->rx_multicast },
		{ "in-discards", stats->rx_dropped & COUNTER32 },
		{ "in-errors", stats->rx_errors & COUNTER32 },
		{ "in-unknown-protos", stats->rx_nohandler & COUNTER32 },
		{ "out-octets", stats->tx_bytes },
		{ "out-unicast-pkts", stats->tx_packets },
		{ "out-discards", stats->tx_dropped & COUNTER32 },
		{ "out-errors", stats->tx_errors & COUNTER32 },
	};
	char text[CLOCK_TEXT_MAX];
	struct lyd_node *to = NULL;
	int r = build_container(node, "statistics", &to, err);

	if (r < 0)
		return r;
	clock_text_of_ms(text, link->since_ms);
	r = build_leaf(to, "discontinuity-time", text, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(counters); i++)
		r = build_u64(to, counters[i].name, counters[i].value, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	int r;

	if (!link)
		return show_absent(node, err);
	r = show_identity(link, node, err);
	if (r == 0)
		r = show_layers(link, have, node, err);
	if (r == 0 && link->speed_mbps && (link->flags & IFF_RUNNING))
		r = build_u64(node, "speed", (uint64_t)link->speed_mbps * 1000000, err);
	return r < 0 ? r : show_statistics(link, node, err);
}

static const char *const interfaces_features[] = { "if-mib", NULL };
static const char *const infix_features[] = { "vlan-filtering", NULL };
/* What the leafrefs of WireGuard point at. */
static const char *const keystore_features[] = { "central-keystore-supported", "asymmetric-keys",
	"symmetric-keys", NULL };
static const char *const truststore_features[] = { "central-truststore-supported", "public-keys",
	NULL };

const struct feature feature_interface = {
	.name = "interface",
	.modules =
		(const struct feature_module[]){
			{ "ietf-interfaces", interfaces_features },
			{ "iana-if-type", NULL },
			{ "infix-if-type", NULL },
			{ "ieee802-dot1q-types", NULL },
			{ "ietf-keystore", keystore_features },
			{ "ietf-truststore", truststore_features },
			{ "infix-interfaces", infix_features },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/name",
			INTERFACE_PATH "/description",
			INTERFACE_PATH "/type",
			INTERFACE_PATH "/enabled",
			NULL,
		},
	.state_roots =
		(const char *const[]){
			INTERFACE_PATH "/admin-status",
			INTERFACE_PATH "/oper-status",
			INTERFACE_PATH "/last-change",
			INTERFACE_PATH "/if-index",
			INTERFACE_PATH "/phys-address",
			INTERFACE_PATH "/higher-layer-if",
			INTERFACE_PATH "/lower-layer-if",
			INTERFACE_PATH "/speed",
			INTERFACE_PATH "/statistics",
			NULL,
		},
	.fill = fill,
	.check = check,
	.want = want,
	.units = units,
	.show = show,
	.refreshes =
		(const struct object_kind *const[]){
			&object_kind_link,
			&object_kind_ethernet,
			NULL,
		},
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_link, INTERFACE_PATH, NULL },
			{ NULL, NULL, NULL },
		},
	.silent = (const char *const[]){ INTERFACE_PATH "/statistics", NULL },
};
