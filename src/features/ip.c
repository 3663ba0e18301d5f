/*
 * IPv4 and IPv6 of an interface (RFC 8344): addresses, MTU, forwarding, IPv6 on or off.
 *
 * IPv6 is on only where its container is configured and enabled: a port without it has no link-local
 * address and answers nobody. The loopback keeps what the kernel gave it unless it has the container. The
 * link's MTU is ipv4/mtu, as Infix has it; ipv6/mtu can only lower it for IPv6. How long
 * temporary addresses live is asked for where there are any, or where it is not what the kernel begins with.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "interface.h"

#define IPV4 "ietf-ip:ipv4"
#define IPV6 "ietf-ip:ipv6"

#ifndef IFAPROT_KERNEL_LO
#define IFAPROT_KERNEL_LO 1
#define IFAPROT_KERNEL_RA 2
#define IFAPROT_KERNEL_LL 3
#endif

/* Temporary addresses, in seconds: the model's defaults and the kernel's. */
#define TEMPORARY_VALID	    604800
#define TEMPORARY_PREFERRED 86400
#define TEMPORARY_IN_USE    2 /* preferred to those that do not change */

/* The kernel's numbers have a sign. */
static int check_autoconf(const struct unit *unit, struct err *err)
{
	static const char *const signed_numbers[] = {
		IPV6 "/dup-addr-detect-transmits",
		IPV6 "/autoconf/temporary-valid-lifetime",
		IPV6 "/autoconf/temporary-preferred-lifetime",
	};
	uint64_t valid = node_u64(unit->node, signed_numbers[1], TEMPORARY_VALID);
	uint64_t preferred = node_u64(unit->node, signed_numbers[2], TEMPORARY_PREFERRED);

	for (size_t i = 0; i < ARRAY_SIZE(signed_numbers); i++) {
		if (node_u64(unit->node, signed_numbers[i], 0) > INT32_MAX)
			return err_set(err, -EINVAL, signed_numbers[i], "more than %d", INT32_MAX);
	}
	if (preferred > valid)
		return err_set(err, -EINVAL, signed_numbers[2],
			"a temporary address is valid for %u seconds only", (unsigned)valid);
	return 0;
}

static int check(const struct unit *unit, struct err *err)
{
	uint64_t link_mtu = node_u64(unit->node, IPV4 "/mtu", 0);
	uint64_t mtu = node_u64(unit->node, IPV6 "/mtu", 0);

	if (mtu && link_mtu && mtu > link_mtu)
		return err_set(err, -EINVAL, IPV6 "/mtu", "%u is more than the interface's MTU, %u",
			(unsigned)mtu, (unsigned)link_mtu);
	if (link_mtu && link_mtu < IPV6_MIN_MTU && node_exists(unit->node, IPV6) &&
		node_bool(unit->node, IPV6 "/enabled", true))
		return err_set(err, -EINVAL, IPV4 "/mtu",
			"IPv6 needs an MTU of at least %d, not %u", IPV6_MIN_MTU,
			(unsigned)link_mtu);
	return check_autoconf(unit, err);
}

/* --- want -------------------------------------------------------------------------------------- */

static void want_sysctl(struct want *want, const struct link *link, enum sysctl_knob knob,
	uint32_t value, const char *path)
{
	char key[SYSCTL_KEY_MAX];
	struct sysctl *sysctl;

	sysctl_key(key, link->object.key, knob);
	sysctl = want_object(want, &object_kind_sysctl, key, path);
	snprintf(sysctl->link, sizeof(sysctl->link), "%s", link->object.key);
	sysctl->knob = knob;
	sysctl->value = value;
	want_needs(sysctl, &object_kind_link, link->object.key);
}

static int want_addresses(const struct lyd_node *ip, int family, struct want *want,
	const struct link *link, struct err *err)
{
	const char *path = family == AF_INET6 ? IPV6 "/address" : IPV4 "/address";
	const struct lyd_node *node;

	NODE_FOREACH (node, ip, "address") {
		uint8_t length = (uint8_t)node_u64(node, "prefix-length", 0);
		const char *text = node_text(node, "ip", "");
		char key[ADDRESS_KEY_MAX];
		struct address *address;
		struct in6_addr addr;

		if (inet_pton(family, text, &addr) != 1)
			return err_set(err, -EINVAL, path, "\"%s\" is not an address", text);
		address_key(key, link->object.key, (uint8_t)family, &addr, length);
		address = want_object(want, &object_kind_address, key, path);
		snprintf(address->link, sizeof(address->link), "%s", link->object.key);
		address->family = (uint8_t)family;
		address->prefix_length = length;
		memcpy(&address->in6, &addr,
			family == AF_INET6 ? sizeof(addr) : sizeof(struct in_addr));
		want_needs(address, &object_kind_link, link->object.key);
	}
	return 0;
}

static int want_ipv4(const struct unit *unit, struct link *link, struct want *want, struct err *err)
{
	const struct lyd_node *ip = node_child(unit->node, IPV4);
	bool is_enabled = node_bool(ip, "enabled", true);
	uint64_t mtu = node_u64(ip, "mtu", 0);
	int r;

	if (!ip)
		return 0;
	if (mtu) {
		r = link_set(link, LINK_MTU, IPV4 "/mtu", err);
		if (r < 0)
			return r;
		link->mtu = (uint32_t)mtu;
	}
	want_sysctl(want, link, SYSCTL_IPV4_FORWARDING,
		is_enabled && node_bool(ip, "forwarding", false), IPV4 "/forwarding");
	return is_enabled ? want_addresses(ip, AF_INET, want, link, err) : 0;
}

/* What it does by itself is asked for as well: others may have told it otherwise. */
static void want_autoconf(const struct lyd_node *ip, struct want *want, const struct link *link)
{
	static const struct {
		const char *path;
		enum sysctl_knob knob;
		uint32_t usual;
	} numbers[] = {
		{ IPV6 "/autoconf/temporary-valid-lifetime", SYSCTL_IPV6_TEMPORARY_VALID,
			TEMPORARY_VALID },
		{ IPV6 "/autoconf/temporary-preferred-lifetime", SYSCTL_IPV6_TEMPORARY_PREFERRED,
			TEMPORARY_PREFERRED },
	};
	bool is_temporary = node_bool(ip, "autoconf/create-temporary-addresses", false);

	want_sysctl(want, link, SYSCTL_IPV6_AUTOCONF,
		node_bool(ip, "autoconf/create-global-addresses", true),
		IPV6 "/autoconf/create-global-addresses");
	want_sysctl(want, link, SYSCTL_IPV6_TEMPORARY, is_temporary ? TEMPORARY_IN_USE : 0,
		IPV6 "/autoconf/create-temporary-addresses");
	want_sysctl(want, link, SYSCTL_IPV6_DAD_TRANSMITS,
		(uint32_t)node_u64(ip, "dup-addr-detect-transmits", 1),
		IPV6 "/dup-addr-detect-transmits");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t value = node_u64(lyd_parent(ip), numbers[i].path, numbers[i].usual);

		if (is_temporary || value != numbers[i].usual)
			want_sysctl(want, link, numbers[i].knob, (uint32_t)value, numbers[i].path);
	}
}

static int want_ipv6(const struct unit *unit, struct link *link, struct want *want, struct err *err)
{
	const struct lyd_node *ip = node_child(unit->node, IPV6);
	bool is_enabled = ip && node_bool(ip, "enabled", true);
	uint64_t mtu = node_u64(ip, "mtu", 0);

	if (!ip && interface_is(unit->node, "loopback"))
		return 0;
	want_sysctl(want, link, SYSCTL_IPV6_DISABLE, !is_enabled, IPV6 "/enabled");
	if (!is_enabled)
		return 0;
	want_sysctl(want, link, SYSCTL_IPV6_FORWARDING, node_bool(ip, "forwarding", false),
		IPV6 "/forwarding");
	want_autoconf(ip, want, link);
	if (mtu)
		want_sysctl(want, link, SYSCTL_IPV6_MTU, (uint32_t)mtu, IPV6 "/mtu");
	return want_addresses(ip, AF_INET6, want, link, err);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	struct link *link = interface_link(unit, want);
	int r;

	r = want_ipv4(unit, link, want, err);
	return r < 0 ? r : want_ipv6(unit, link, want, err);
}

/* --- show -------------------------------------------------------------------------------------- */

static const char *origin_of(const struct address *address, bool is_configured)
{
	if (is_configured || address->protocol == KERNEL_PROTOCOL)
		return "static";
	if (address->protocol == KERNEL_PROTOCOL_LINK_LOCAL)
		return "random";
	/* The same bit of IPv4 says that another address of the subnet came first. */
	if (address->family == AF_INET6 &&
		address->flags & (IFA_F_TEMPORARY | IFA_F_STABLE_PRIVACY))
		return "random";
	if (address->protocol == IFAPROT_KERNEL_LL || address->protocol == IFAPROT_KERNEL_RA)
		return "link-layer";
	if (address->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address->in6) &&
		address->protocol == 0)
		return "link-layer"; /* a kernel that does not tell */
	return "other";
}

/* From a router or a DHCP server: what somebody lends has an end. */
static bool is_learned(const struct address *address)
{
	return address->protocol == IFAPROT_KERNEL_RA || !(address->flags & IFA_F_PERMANENT);
}

static int compare_addresses(const void *a, const void *b)
{
	const struct address *p = *(const struct address *const *)a;
	const struct address *q = *(const struct address *const *)b;

	return memcmp(&p->in6, &q->in6, p->family == AF_INET6 ? 16 : 4);
}

static int show_address(const struct address *address, struct lyd_node *ip, struct err *err)
{
	char text[INET6_ADDRSTRLEN];
	struct lyd_node *node = NULL;
	bool is_configured;
	int r;

	inet_ntop(address->family, &address->in6, text, sizeof(text));
	r = build_entry(ip, "address", text, &node, err);
	if (r < 0)
		return r;
	is_configured = node_exists(node, "prefix-length");
	if (!is_configured)
		r = build_u64(node, "prefix-length", address->prefix_length, err);
	if (r == 0 && !is_configured && is_learned(address))
		r = build_learned(node, err);
	return r < 0 ? r : build_leaf(node, "origin", origin_of(address, is_configured), err);
}

/* What is configured stays as it is; what is not is told as it is. */
static int show_family_values(
	const struct link *link, struct lyd_node *ip, int family, struct err *err)
{
	bool is_v6 = family == AF_INET6;
	int r = 0;

	if (!node_exists(ip, "forwarding"))
		r = build_bool(ip, "forwarding",
			is_v6 ? link->ipv6_forwarding : link->ipv4_forwarding, err);
	if (r < 0 || node_exists(ip, "mtu") || link->mtu < (is_v6 ? 1280 : 68) ||
		(!is_v6 && link->mtu > UINT16_MAX))
		return r;
	return build_u64(ip, "mtu", link->mtu, err);
}

static int show_family(const struct link *link, const struct have *have, struct lyd_node *node,
	int family, struct err *err)
{
	const char *name = family == AF_INET6 ? IPV6 : IPV4;
	const struct lyd_node *config = node_child(node, name);
	struct lyd_node *ip = NULL;
	void *const *all;
	size_t all_count = have_group(have, &object_kind_address, link->object.key, &all),
	       count = 0;
	_cleanup_free_ const struct address **found = xcalloc(all_count + 1, sizeof(*found));
	int r;

	for (size_t i = 0; i < all_count; i++) {
		if (((const struct address *)all[i])->family == family)
			found[count++] = all[i];
	}
	if (!config && !count)
		return 0;
	qsort(found, count, sizeof(*found), compare_addresses);
	r = build_container(node, name, &ip, err);
	if (r < 0)
		return r;
	r = show_family_values(link, ip, family, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = show_address(found[i], ip, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	int r;

	if (!link)
		return 0;
	r = show_family(link, have, node, AF_INET, err);
	return r < 0 ? r : show_family(link, have, node, AF_INET6, err);
}

static const char *const ip_features[] = { "ipv6-privacy-autoconf", NULL };

const struct feature feature_ip = {
	.name = "ip",
	.modules =
		(const struct feature_module[]){
			{ "ietf-ip", ip_features },
			{ "infix-ip", NULL },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/ietf-ip:ipv4",
			INTERFACE_PATH "/ietf-ip:ipv6",
			NULL,
		},
	.except =
		(const char *const[]){
			INTERFACE_PATH "/ietf-ip:ipv4/neighbor", /* neighbour.c */
			INTERFACE_PATH "/ietf-ip:ipv4/infix-ip:autoconf",
			INTERFACE_PATH "/ietf-ip:ipv6/neighbor",
			INTERFACE_PATH
			"/ietf-ip:ipv6/ietf-ipv6-unicast-routing:ipv6-router-advertisements",
			NULL,
		},
	.check = check,
	.want = want,
	.show = show,
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_address, INTERFACE_PATH, NULL },
			{ NULL, NULL, NULL },
		},
};
