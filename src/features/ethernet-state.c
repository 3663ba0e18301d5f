/*
 * What is known of an Ethernet port: what it negotiates and has agreed on, how it is connected, what it has
 * counted.
 *
 * Linux tells the link mode in use by speed and duplex only. Of the media of that speed the one is shown that
 * both sides offer, if there is but one, or the one that the port has.
 *
 * Counters are those of the driver. Where it has none of its own, what the kernel counts of a port is the same
 * by definition (struct rtnl_link_stats64); but not of a switch, where it sees only what reaches the processor.
 */
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "ethernet.h"

#define PMD "ieee802-ethernet-phy-type:pmd-type-"
#define PHY "ieee802-ethernet-phy-type:phy-type-"

bool ethernet_state_is_port(const struct link *link)
{
	return link && link->arptype == ARPHRD_ETHER && (link->is_dsa || !*link->kind_name);
}

/* --- media ------------------------------------------------------------------------------------- */

static bool is_medium(const struct lyd_node *item, const char *medium)
{
	return str_starts(node_value(item), PMD) &&
		str_equal(node_value(item) + strlen(PMD), medium);
}

static bool is_in_list(const struct lyd_node *parent, const char *name, const char *medium)
{
	const struct lyd_node *item;

	NODE_FOREACH (item, parent, name) {
		if (is_medium(item, medium))
			return true;
	}
	return false;
}

/* Leaves of the list that are in the configuration and not in effect. */
static void drop_others(
	struct lyd_node *parent, const char *name, const struct ethernet_modes *modes)
{
	const struct lyd_node *item, *next;

	for (item = node_child(parent, name); item; item = next) {
		const struct ethernet_medium *medium;
		bool is_offered = false;

		next = node_next(item);
		for (medium = ethernet_media; medium->name; medium++)
			is_offered |= ethernet_modes_allow(modes, medium) &&
				is_medium(item, medium->name);
		if (!is_offered)
			lyd_free_tree((struct lyd_node *)item);
	}
}

static int show_media(struct lyd_node *parent, const char *name, const struct ethernet_modes *modes,
	struct err *err)
{
	const struct ethernet_medium *medium;
	char text[64];
	int r = 0;

	drop_others(parent, name, modes);
	for (medium = ethernet_media; r == 0 && medium->name; medium++) {
		if (!ethernet_modes_allow(modes, medium) || is_in_list(parent, name, medium->name))
			continue;
		snprintf(text, sizeof(text), PMD "%s", medium->name);
		r = build_item(parent, name, text, err);
	}
	return r;
}

/* Media of the speed and duplex in use among @modes: how many, and the last. */
static size_t fitting(const struct ethernet *port, const struct ethernet_modes *modes,
	const struct ethernet_medium **ret_medium)
{
	const struct ethernet_medium *medium;
	size_t count = 0;

	for (medium = ethernet_media; medium->name; medium++) {
		int mode = port->duplex == DUPLEX_HALF ? medium->half : medium->full;

		if (medium->speed_mbps != port->speed_mbps || !ethernet_modes_have(modes, mode))
			continue;
		*ret_medium = medium;
		count++;
	}
	return count;
}

/* NULL: there is no telling. */
static const struct ethernet_medium *medium_in_use(const struct ethernet *port)
{
	const struct ethernet_medium *medium = NULL;
	struct ethernet_modes common;

	for (size_t i = 0; i < ARRAY_SIZE(common.words); i++)
		common.words[i] = port->offered.words[i] & port->peer.words[i];
	if (port->autoneg == AUTONEG_ENABLE && fitting(port, &common, &medium) == 1)
		return medium;
	return fitting(port, &port->supported, &medium) == 1 ? medium : NULL;
}

static int show_medium(const struct ethernet *port, struct lyd_node *ethernet, struct err *err)
{
	const struct ethernet_medium *medium = medium_in_use(port);
	int r;

	if (!medium)
		return 0;
	r = build_leaff(ethernet, err, "phy-type", PHY "%s", medium->coding);
	return r < 0 ? r : build_leaff(ethernet, err, "pmd-type", PMD "%s", medium->name);
}

/* --- link -------------------------------------------------------------------------------------- */

static int show_negotiation(const struct link *link, const struct ethernet *port,
	struct lyd_node *ethernet, struct err *err)
{
	struct lyd_node *negotiation = NULL;
	bool is_on = link->autoneg == AUTONEG_ENABLE;
	int r;

	if (!is_on && link->autoneg != AUTONEG_DISABLE)
		return 0;
	r = build_container(ethernet, "auto-negotiation", &negotiation, err);
	if (r == 0)
		r = build_bool(negotiation, "enable", is_on, err);
	if (r == 0 && port && is_on)
		r = show_media(negotiation, "infix-ethernet-interface:advertised-pmd-types",
			&port->offered, err);
	if (r == 0 && port)
		r = show_media(ethernet, "infix-ethernet-interface:supported-pmd-types",
			&port->supported, err);
	return r;
}

/* In full duplex there is nothing else to say than that it is not known. */
static const char *duplex_name(const struct link *link)
{
	return link->duplex == DUPLEX_FULL    ? "full"
		: link->duplex == DUPLEX_HALF ? "half"
					      : "unknown";
}

static int show_mdi_x(const struct ethernet *port, struct lyd_node *ethernet, struct err *err)
{
	uint8_t status = port->mdix_status != ETH_TP_MDI_INVALID ? port->mdix_status : port->mdix;

	if (port->autoneg == AUTONEG_ENABLE || (status != ETH_TP_MDI && status != ETH_TP_MDI_X))
		return 0;
	return build_bool(ethernet, "infix-ethernet-interface:mdi-x", status == ETH_TP_MDI_X, err);
}

static int show_link(const struct link *link, const struct ethernet *port,
	struct lyd_node *ethernet, struct err *err)
{
	bool is_running = (link->flags & IFF_RUNNING) != 0;
	int r = show_negotiation(link, port, ethernet, err);

	if (r == 0 && (link->duplex == DUPLEX_FULL || link->duplex == DUPLEX_HALF))
		r = build_leaf(ethernet, "duplex", duplex_name(link), err);
	if (r == 0 && link->speed_mbps && is_running)
		r = build_leaff(ethernet, err, "speed", "%u.%03u", link->speed_mbps / 1000,
			link->speed_mbps % 1000);
	if (r == 0 && port && is_running)
		r = show_medium(port, ethernet, err);
	if (r == 0 && port)
		r = show_mdi_x(port, ethernet, err);
	return r;
}

/* --- pausing ----------------------------------------------------------------------------------- */

static const char *pausing_name(bool rx, bool tx)
{
	for (size_t i = 0; i < ARRAY_SIZE(ethernet_pausings); i++) {
		if (ethernet_pausings[i].rx == rx && ethernet_pausings[i].tx == tx)
			return ethernet_pausings[i].name;
	}
	return "undefined";
}

/* IEEE 802.3 table 28B-3, of what both sides have offered. */
static const char *agreed_pausing(const struct ethernet *port)
{
	const struct ethernet_modes *own = &port->offered, *peer = &port->peer;
	bool symmetric = ethernet_modes_have(own, ETHTOOL_LINK_MODE_Pause_BIT),
	     asymmetric = ethernet_modes_have(own, ETHTOOL_LINK_MODE_Asym_Pause_BIT),
	     peer_symmetric = ethernet_modes_have(peer, ETHTOOL_LINK_MODE_Pause_BIT),
	     peer_asymmetric = ethernet_modes_have(peer, ETHTOOL_LINK_MODE_Asym_Pause_BIT);

	if (symmetric && peer_symmetric)
		return pausing_name(true, true);
	if (!asymmetric || !peer_asymmetric)
		return pausing_name(false, false);
	return pausing_name(symmetric, peer_symmetric);
}

static int show_pause(const struct link *link, const struct ethernet *port,
	struct lyd_node *ethernet, struct err *err)
{
	bool is_agreed = port->negotiates_pause && port->autoneg == AUTONEG_ENABLE;
	const char *admin = pausing_name(port->pause_rx, port->pause_tx);
	struct lyd_node *pause = NULL, *status = NULL;
	int r = build_container(ethernet, "ethernet-pause", &pause, err);

	if (r == 0)
		r = build_container(pause, "control-and-status", &status, err);
	if (r == 0)
		r = build_leaf(status, "pause-admin-control", admin, err);
	if (r == 0 && (link->flags & IFF_RUNNING))
		r = build_leaf(
			status, "pause-oper-status", is_agreed ? agreed_pausing(port) : admin, err);
	return r;
}

/* --- counters ---------------------------------------------------------------------------------- */

struct counts {
	const struct ethernet_counters *counters; /* NULL: none */
	const struct link_stats *stats;		  /* NULL: they do not stand for the port */
};

static bool is_known(const struct counts *counts, enum ethernet_counter counter)
{
	return counts->counters && (counts->counters->known & (1U << counter)) != 0;
}

static bool get(const struct counts *counts, enum ethernet_counter counter, uint64_t *ret_value)
{
	if (!is_known(counts, counter))
		return false;
	*ret_value = counts->counters->values[counter];
	return true;
}

/* What the kernel counts of every link and means the same. */
static bool get_or_link(
	const struct counts *counts, enum ethernet_counter counter, uint64_t *ret_value)
{
	if (get(counts, counter, ret_value))
		return true;
	if (!counts->stats)
		return false;
	switch (counter) {
	case ETHERNET_RX_FRAMES:
		*ret_value = counts->stats->rx_packets;
		return true;
	case ETHERNET_RX_OCTETS:
		*ret_value = counts->stats->rx_bytes;
		return true;
	case ETHERNET_TX_FRAMES:
		*ret_value = counts->stats->tx_packets;
		return true;
	case ETHERNET_TX_OCTETS:
		*ret_value = counts->stats->tx_bytes;
		return true;
	default: /* nothing that every driver counts alike */
		return false;
	}
}

/* Frames that are too short or too long count whether their checksum is right or not. */
static bool get_sum(const struct counts *counts, enum ethernet_counter right,
	enum ethernet_counter wrong, uint64_t *ret_value)
{
	uint64_t other;

	if (!get(counts, right, ret_value) || !get(counts, wrong, &other))
		return false;
	*ret_value += other;
	return true;
}

static bool get_too_long(const struct counts *counts, uint64_t *ret_value)
{
	return get(counts, ETHERNET_RX_TOO_LONG, ret_value) ||
		get_sum(counts, ETHERNET_RMON_OVERSIZE, ETHERNET_RMON_JABBERS, ret_value);
}

/* Only where nothing that makes it up is missing. */
static bool get_total(const struct counts *counts, uint64_t *ret_value)
{
	static const enum ethernet_counter parts[] = { ETHERNET_RX_FRAMES, ETHERNET_RX_FCS_ERRORS,
		ETHERNET_RX_ALIGNMENT_ERRORS, ETHERNET_RX_INTERNAL_ERRORS };
	uint64_t value;

	if (!get_too_long(counts, ret_value) ||
		!get_sum(counts, ETHERNET_RMON_UNDERSIZE, ETHERNET_RMON_FRAGMENTS, &value))
		return false;
	*ret_value += value;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!get(counts, parts[i], &value))
			return false;
		*ret_value += value;
	}
	return true;
}

static int show_frames(const struct counts *counts, struct lyd_node *ethernet, struct err *err)
{
	static const struct {
		const char *name;
		enum ethernet_counter counter;
	} leaves[] = {
		{ "in-frames", ETHERNET_RX_FRAMES },
		{ "in-multicast-frames", ETHERNET_RX_MULTICAST },
		{ "in-broadcast-frames", ETHERNET_RX_BROADCAST },
		{ "in-error-fcs-frames", ETHERNET_RX_FCS_ERRORS },
		{ "in-error-mac-internal-frames", ETHERNET_RX_INTERNAL_ERRORS },
		{ "out-frames", ETHERNET_TX_FRAMES },
		{ "out-multicast-frames", ETHERNET_TX_MULTICAST },
		{ "out-broadcast-frames", ETHERNET_TX_BROADCAST },
		{ "infix-ethernet-interface:in-good-octets", ETHERNET_RX_OCTETS },
		{ "infix-ethernet-interface:out-good-octets", ETHERNET_TX_OCTETS },
	};
	struct lyd_node *statistics = NULL, *frame = NULL;
	uint64_t value;
	int r = build_container(ethernet, "statistics", &statistics, err);

	if (r == 0)
		r = build_container(statistics, "frame", &frame, err);
	if (r == 0 && get_total(counts, &value))
		r = build_u64(frame, "in-total-frames", value, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(leaves); i++) {
		if (get_or_link(counts, leaves[i].counter, &value))
			r = build_u64(frame, leaves[i].name, value, err);
	}
	if (r == 0 && get_sum(counts, ETHERNET_RMON_UNDERSIZE, ETHERNET_RMON_FRAGMENTS, &value))
		r = build_u64(frame, "in-error-undersize-frames", value, err);
	if (r == 0 && get_too_long(counts, &value))
		r = build_u64(frame, "in-error-oversize-frames", value, err);
	return r;
}

static int show_pause_frames(
	const struct counts *counts, struct lyd_node *ethernet, struct err *err)
{
	struct lyd_node *pause = NULL, *statistics = NULL;
	int r;

	if (!is_known(counts, ETHERNET_RX_PAUSE) && !is_known(counts, ETHERNET_TX_PAUSE))
		return 0;
	r = build_container(ethernet, "ethernet-pause", &pause, err);
	if (r == 0)
		r = build_container(pause, "statistics", &statistics, err);
	if (r == 0 && is_known(counts, ETHERNET_RX_PAUSE))
		r = build_u64(statistics, "in-frames-pause",
			counts->counters->values[ETHERNET_RX_PAUSE], err);
	if (r == 0 && is_known(counts, ETHERNET_TX_PAUSE))
		r = build_u64(statistics, "out-frames-pause",
			counts->counters->values[ETHERNET_TX_PAUSE], err);
	return r;
}

/* --- all --------------------------------------------------------------------------------------- */

int ethernet_state_show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	const struct ethernet *port;
	struct lyd_node *ethernet = NULL;
	struct counts counts;
	int r;

	if (!ethernet_state_is_port(link) || !interface_is_shown_as(node, "ethernet"))
		return 0;
	port = have_get(have, &object_kind_ethernet, link->object.key);
	counts.counters = have_get(have, &object_kind_ethernet_counters, link->object.key);
	counts.stats = link->is_dsa ? NULL : link->stats;
	r = build_container(node, ETHERNET, &ethernet, err);
	if (r == 0)
		r = show_link(link, port, ethernet, err);
	if (r == 0 && port && port->set & (1U << ETHERNET_PAUSE))
		r = show_pause(link, port, ethernet, err);
	if (r == 0 && (counts.counters || counts.stats))
		r = show_frames(&counts, ethernet, err);
	return r < 0 ? r : show_pause_frames(&counts, ethernet, err);
}
