/*
 * IPv4 link-local addresses (RFC 3927) of an interface: that there is to be one, and which to try first. Which it
 * has in the end is shown with its other addresses, as one that was chosen at random.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "ashlar/str.h"

#include "interface.h"

#define IPV4	  "ietf-ip:ipv4"
#define AUTOCONF  IPV4 "/infix-ip:autoconf"
#define REQUESTED AUTOCONF "/request-address"

static int check(const struct unit *unit, struct err *err)
{
	static const char *const without_arp[] = { "loopback", "dummy", "gre", "wireguard" };

	if (!node_exists(unit->node, AUTOCONF))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(without_arp); i++) {
		if (interface_is(unit->node, without_arp[i]))
			return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, AUTOCONF,
				"an interface of this type has no ARP, by which it could find out "
				"whether an address is free");
	}
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *entry = unit->node;
	const char *text = node_text(entry, REQUESTED, NULL);
	struct link_local *wanted;

	if (!node_exists(entry, AUTOCONF) || !node_bool(entry, IPV4 "/enabled", true))
		return 0;
	wanted = want_object(want, &object_kind_link_local, interface_name(entry), AUTOCONF);
	want_needs(wanted, &object_kind_link, interface_name(entry));
	if (text && inet_pton(AF_INET, text, &wanted->requested) != 1)
		return err_set(err, -EINVAL, REQUESTED, "\"%s\" is not an address", text);
	return 0;
}

const struct feature feature_link_local = {
	.name = "link-local",
	.roots = (const char *const[]){ INTERFACE_PATH "/" AUTOCONF, NULL },
	.check = check,
	.want = want,
};
