/*
 * Ethernet ports, those of a switch (DSA) among them: they exist already and are adopted. What is configured of
 * negotiation, speed, duplex, crossing and pausing becomes settings of the port; of what is not, nothing is
 * wanted.
 *
 * A port that negotiates offers all that it supports, or the media that are named, or those of the one speed;
 * with half duplex none in which both sides may send at once. Without negotiation the speed must be said.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <string.h>

#include "ashlar/str.h"

#include "ethernet.h"

#define NEGOTIATION ETHERNET "/auto-negotiation"
#define ADVERTISED  NEGOTIATION "/infix-ethernet-interface:advertised-pmd-types"
#define MDI_X	    ETHERNET "/infix-ethernet-interface:mdi-x"
#define PAUSE	    ETHERNET "/ethernet-pause/control-and-status/pause-admin-control"

#define PMD_PREFIX "pmd-type-"

const struct ethernet_pausing ethernet_pausings[4] = {
	{ "disabled", false, false },
	{ "ingress-only", true, false },
	{ "egress-only", false, true },
	{ "bi-directional", true, true },
};

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	const char *name = interface_name(unit->node);

	if (!ethernet_state_is_port(have_get(have_all(), &object_kind_link, name)) &&
		!str_equal(interface_guess(name, NULL, NULL), "ethernet"))
		return 0;
	return interface_fill_type(edit, unit, "ethernet", err);
}

/* --- want -------------------------------------------------------------------------------------- */

/* Gigabits a second with three decimals, in Mb/s. */
static int read_speed(const char *text, uint32_t *ret_mbps, struct err *err)
{
	const char *point = strchr(text, '.');
	uint64_t whole = 0, part = 0;
	char number[24] = "";

	if (point && (size_t)(point - text) < sizeof(number) && strlen(point + 1) <= 3) {
		memcpy(number, text, (size_t)(point - text));
		if (str_u64(number, 0, 100000, &whole) < 0)
			point = NULL;
		memcpy(number, "000", sizeof("000"));
		memcpy(number, point ? point + 1 : "", point ? strlen(point + 1) : 0);
	}
	if (!point || str_u64(number, 0, 999, &part) < 0 || !(whole || part))
		return err_set(
			err, -EINVAL, ETHERNET "/speed", "%s Gb/s is no speed of Ethernet", text);
	*ret_mbps = (uint32_t)(whole * 1000 + part);
	return 0;
}

static const struct ethernet_medium *find_medium(const struct lyd_node *type)
{
	const char *name = strchr(node_value(type), ':');
	const struct ethernet_medium *medium;

	name = name ? name + 1 : node_value(type);
	if (!str_starts(name, PMD_PREFIX))
		return NULL;
	for (medium = ethernet_media; medium->name; medium++) {
		if (str_equal(medium->name, name + strlen(PMD_PREFIX)))
			return medium;
	}
	return NULL;
}

static void offer(struct ethernet *port, const struct ethernet_medium *medium, bool half_only)
{
	ethernet_modes_add(&port->offered, medium->half);
	if (!half_only)
		ethernet_modes_add(&port->offered, medium->full);
}

/* The media that are named; each is to have a mode that the rest allows. */
static int want_named(
	const struct lyd_node *negotiation, struct ethernet *port, bool half_only, struct err *err)
{
	const struct lyd_node *type;

	NODE_FOREACH (type, negotiation, "infix-ethernet-interface:advertised-pmd-types") {
		const struct ethernet_medium *medium = find_medium(type);

		if (!medium)
			return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, ADVERTISED,
				"ports of this device know no %s", node_value(type));
		if ((port->speed_mbps && port->speed_mbps != medium->speed_mbps) ||
			(half_only && medium->half < 0))
			return err_set(err, -EINVAL, ADVERTISED,
				"%s does not go with the speed or the duplex that is configured",
				medium->name);
		offer(port, medium, half_only);
		port->names_media = true;
		port->paths[ETHERNET_MODE] = ADVERTISED;
	}
	return 0;
}

static void want_fitting(struct ethernet *port, bool half_only)
{
	const struct ethernet_medium *medium;

	for (medium = ethernet_media; medium->name; medium++) {
		if (!port->speed_mbps || port->speed_mbps == medium->speed_mbps)
			offer(port, medium, half_only);
	}
}

static int want_forced(struct ethernet *port, struct err *err)
{
	if (!port->speed_mbps)
		return err_set(err, -EINVAL, ETHERNET "/speed",
			"a port that does not negotiate must be told its speed");
	if (port->duplex == DUPLEX_UNKNOWN)
		return err_set(err, -EINVAL, ETHERNET "/duplex",
			"a port that does not negotiate must be told full or half");
	port->autoneg = AUTONEG_DISABLE;
	return 0;
}

static uint8_t duplex_of(const struct lyd_node *ethernet)
{
	const char *duplex = node_text(ethernet, "duplex", "full");

	if (str_equal(duplex, "half"))
		return DUPLEX_HALF;
	return str_equal(duplex, "full") ? DUPLEX_FULL : DUPLEX_UNKNOWN;
}

static int want_mode(const struct lyd_node *ethernet, struct ethernet *port, struct err *err)
{
	const struct lyd_node *negotiation = node_child(ethernet, "auto-negotiation");
	const char *speed = node_text(ethernet, "speed", NULL);
	bool half_only;
	int r = 0;

	port->duplex = duplex_of(ethernet);
	half_only = port->duplex == DUPLEX_HALF;
	if (!negotiation && !speed && !half_only)
		return 0;
	ethernet_set(port, ETHERNET_MODE,
		!negotiation		     ? ETHERNET
			: speed || half_only ? ETHERNET
					     : NEGOTIATION);
	if (speed)
		r = read_speed(speed, &port->speed_mbps, err);
	if (r < 0)
		return r;
	if (negotiation && !node_bool(negotiation, "enable", true))
		return want_forced(port, err);
	port->autoneg = negotiation ? AUTONEG_ENABLE : ETHERNET_NEGOTIATES_AS_USUAL;
	r = want_named(negotiation, port, half_only, err);
	if (r == 0 && !port->names_media && (speed || half_only))
		want_fitting(port, half_only);
	return r;
}

static int want_pause(const struct lyd_node *ethernet, struct ethernet *port, struct err *err)
{
	const char *name =
		node_text(ethernet, "ethernet-pause/control-and-status/pause-admin-control", NULL);

	if (!name)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ethernet_pausings); i++) {
		if (!str_equal(ethernet_pausings[i].name, name))
			continue;
		ethernet_set(port, ETHERNET_PAUSE, PAUSE);
		port->pause_rx = ethernet_pausings[i].rx;
		port->pause_tx = ethernet_pausings[i].tx;
		return 0;
	}
	return err_set(err, -EINVAL, PAUSE, "\"%s\" is no way to pause", name);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *ethernet = node_child(unit->node, ETHERNET), *mdi_x;
	struct ethernet said = { 0 }, *port;
	int r;

	if (!ethernet || !interface_is(unit->node, "ethernet"))
		return 0;
	r = want_mode(ethernet, &said, err);
	if (r == 0)
		r = want_pause(ethernet, &said, err);
	if (r < 0)
		return r;
	mdi_x = node_child(ethernet, "infix-ethernet-interface:mdi-x");
	if (mdi_x) {
		ethernet_set(&said, ETHERNET_MDIX, MDI_X);
		said.mdix = str_equal(node_value(mdi_x), "true") ? ETH_TP_MDI_X : ETH_TP_MDI;
	}
	if (!said.set)
		return 0;
	port = want_object(want, &object_kind_ethernet, interface_name(unit->node), ETHERNET);
	said.object = port->object;
	*port = said;
	want_needs(port, &object_kind_link, port->object.key);
	return 0;
}

static const char *const ieee_features[] = { "ethernet-pause", NULL };

const struct feature feature_ethernet = {
	.name = "ethernet",
	.modules =
		(const struct feature_module[]){
			{ "ieee802-ethernet-interface", ieee_features },
			{ "ieee802-ethernet-phy-type", NULL },
			{ "infix-ethernet-interface", NULL },
			{ "ashlar-ethernet", NULL },
			{ NULL, NULL },
		},
	.roots = (const char *const[]){ ETHERNET_PATH, NULL },
	.fill = fill,
	.want = want,
	.show = ethernet_state_show,
	.refreshes =
		(const struct object_kind *const[]){
			&object_kind_ethernet,
			&object_kind_ethernet_counters,
			&object_kind_link,
			NULL,
		},
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_ethernet, INTERFACE_PATH, NULL },
			{ NULL, NULL, NULL },
		},
	.silent =
		(const char *const[]){
			ETHERNET_PATH "/statistics",
			ETHERNET_PATH "/ethernet-pause/statistics",
			NULL,
		},
};
