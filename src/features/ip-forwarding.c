/*
 * Whether the device passes IPv6 packets on at all. IPv4 asks each interface; Linux asks for IPv6 one
 * switch for everything (conf/all/forwarding), which must be on as soon as one interface is to forward.
 * What forwards is then every interface with IPv6: an interface's own setting only tells whether it
 * behaves as a router's to its neighbours.
 *
 * The unit is the list of interfaces as a whole; it is asked again when an interface starts or stops
 * forwarding.
 */
#include <stdio.h>

#include "ashlar/str.h"

#include "interface.h"

#define IPV6	   "ietf-ip:ipv6"
#define FORWARDING IPV6 "/forwarding"
#define ALL	   "all"

static bool forwards(const struct lyd_node *interface)
{
	const struct lyd_node *ip = node_child(interface, IPV6);

	return node_bool(ip, "forwarding", false) && node_bool(ip, "enabled", true);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *interface;
	char key[SYSCTL_KEY_MAX];
	struct sysctl *sysctl;

	NODE_FOREACH (interface, unit->node, "interface") {
		if (forwards(interface))
			break;
	}
	if (!interface)
		return 0;
	sysctl_key(key, ALL, SYSCTL_IPV6_FORWARDING);
	sysctl = want_object(want, &object_kind_sysctl, key, "");
	snprintf(sysctl->link, sizeof(sysctl->link), ALL);
	sysctl->knob = SYSCTL_IPV6_FORWARDING;
	sysctl->value = 1;
	return 0;
}

/* Of what never forwarded and does not begin to, the list need not hear. */
static void affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	if (str_equal(node_value(node), "true") || str_equal(old, "true"))
		unit_set_add(set, node_ancestor(node, "interfaces"));
}

static void enabled_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	if (node_bool(lyd_parent(node), "forwarding", false))
		unit_set_add(set, node_ancestor(node, "interfaces"));
}

const struct feature feature_ip_forwarding = {
	.name = "ip-forwarding",
	.roots = (const char *const[]){ "/ietf-interfaces:interfaces", NULL },
	.except = (const char *const[]){ INTERFACE_PATH, NULL },
	.reads =
		(const struct feature_reads[]){
			{ INTERFACE_PATH "/ietf-ip:ipv6/forwarding", affects },
			{ INTERFACE_PATH "/ietf-ip:ipv6/enabled", enabled_affects },
			{ NULL, NULL },
		},
	.want = want,
};
