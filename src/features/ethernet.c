/*
 * Ethernet ports, those of a switch (DSA) among them: they exist already and are adopted, so that nothing
 * is wanted here. What the port has negotiated is shown.
 */
#include <linux/ethtool.h>
#include <linux/if_arp.h>

#include "ashlar/str.h"

#include "interface.h"

static bool is_port(const struct link *link)
{
	return link && link->arptype == ARPHRD_ETHER && (link->is_dsa || !*link->kind_name);
}

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	const char *name = interface_name(unit->node);

	if (!is_port(have_get(have_all(), &object_kind_link, name)) &&
		!str_equal(interface_guess(name, NULL, NULL), "ethernet"))
		return 0;
	return interface_fill_type(edit, unit, "ethernet", err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *ethernet = NULL, *negotiation = NULL;
	int r;

	if (!is_port(link))
		return 0;
	r = build_container(node, "ieee802-ethernet-interface:ethernet", &ethernet, err);
	if (r == 0 && (link->autoneg == AUTONEG_ENABLE || link->autoneg == AUTONEG_DISABLE)) {
		r = build_container(ethernet, "auto-negotiation", &negotiation, err);
		if (r == 0)
			r = build_bool(negotiation, "enable", link->autoneg == AUTONEG_ENABLE, err);
	}
	if (r == 0 && (link->duplex == DUPLEX_FULL || link->duplex == DUPLEX_HALF))
		r = build_leaf(
			ethernet, "duplex", link->duplex == DUPLEX_FULL ? "full" : "half", err);
	if (r == 0 && link->speed_mbps && (link->flags & IFF_RUNNING))
		r = build_leaff(ethernet, err, "speed", "%u.%03u", link->speed_mbps / 1000,
			link->speed_mbps % 1000);
	return r;
}

const struct feature feature_ethernet = {
	.name = "ethernet",
	.modules =
		(const struct feature_module[]){
			{ "ieee802-ethernet-interface", NULL },
			{ "infix-ethernet-interface", NULL },
			{ NULL, NULL },
		},
	.state_roots =
		(const char *const[]){
			INTERFACE_PATH "/ieee802-ethernet-interface:ethernet",
			NULL,
		},
	.fill = fill,
	.show = show,
};
