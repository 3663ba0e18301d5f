/*
 * Settings of ports: what is negotiated or forced, the crossing of pairs, pausing. A port has them always;
 * configuration wants some, in groups that a driver has or has not, one message each. What was there before a
 * group was first written is kept, and comes back when configuration says nothing of it any more; after a
 * restart of the daemon that is not known, and the port negotiates all it supports, as ports do.
 *
 * What others do to a port of our namespace is told of (genl-events.c), speed and duplex change with the
 * carrier.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "ethtool.h"

/* Settings before ours: name → struct ethernet, whose set says of which groups. */
static struct map before;

bool ethernet_is_port(const struct link *link)
{
	return link->arptype == ARPHRD_ETHER && (link->is_dsa || !*link->kind_name);
}

void ethernet_set(struct ethernet *ethernet, enum ethernet_attr attr, const char *path)
{
	ethernet->set |= 1U << attr;
	ethernet->paths[attr] = path;
}

static bool has(const struct ethernet *ethernet, enum ethernet_attr attr)
{
	return ethernet && (ethernet->set & (1U << attr)) != 0;
}

/* An observed one that is to be as it was is "wanted" by no unit. */
static bool is_former(const struct ethernet *want)
{
	return !want->object.want;
}

/* --- modes ------------------------------------------------------------------------------------- */

static struct ethernet_modes both(const struct ethernet_modes *a, const struct ethernet_modes *b)
{
	struct ethernet_modes result;

	for (size_t i = 0; i < ARRAY_SIZE(result.words); i++)
		result.words[i] = a->words[i] & b->words[i];
	return result;
}

static bool is_empty(const struct ethernet_modes *modes)
{
	static const struct ethernet_modes none;

	return !memcmp(modes, &none, sizeof(none));
}

/* Those that carry frames: the kernel counts sockets, pausing and error correction among them. */
static struct ethernet_modes carrying(const struct ethernet_modes *modes)
{
	static const uint8_t others[] = { ETHTOOL_LINK_MODE_Autoneg_BIT, ETHTOOL_LINK_MODE_TP_BIT,
		ETHTOOL_LINK_MODE_AUI_BIT, ETHTOOL_LINK_MODE_MII_BIT, ETHTOOL_LINK_MODE_FIBRE_BIT,
		ETHTOOL_LINK_MODE_BNC_BIT, ETHTOOL_LINK_MODE_Pause_BIT,
		ETHTOOL_LINK_MODE_Asym_Pause_BIT, ETHTOOL_LINK_MODE_Backplane_BIT,
		ETHTOOL_LINK_MODE_FEC_NONE_BIT, ETHTOOL_LINK_MODE_FEC_RS_BIT,
		ETHTOOL_LINK_MODE_FEC_BASER_BIT, ETHTOOL_LINK_MODE_FEC_LLRS_BIT };
	struct ethernet_modes result = *modes;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		result.words[others[i] / 32] &= ~(1U << (others[i] % 32));
	return result;
}

/* A medium that is asked for by name and that the port has not; NULL: none. */
static const char *lacking_medium(const struct ethernet *want, const struct ethernet *have)
{
	const struct ethernet_medium *medium;

	for (medium = ethernet_media; want->names_media && medium->name; medium++) {
		if (ethernet_modes_allow(&want->offered, medium) &&
			!ethernet_modes_allow(&have->supported, medium))
			return medium->name;
	}
	return NULL;
}

/* --- what is to be told ------------------------------------------------------------------------ */

struct settings {
	uint32_t set; /* bits of enum ethernet_attr */
	bool negotiates, pause_rx, pause_tx;
	uint8_t duplex, mdix;
	uint32_t speed_mbps; /* 0: not said */
	struct ethernet_modes offer;
};

static bool can_negotiate(const struct ethernet *have)
{
	return ethernet_modes_have(&have->supported, ETHTOOL_LINK_MODE_Autoneg_BIT);
}

static void settle_mode(
	struct settings *to, const struct ethernet *want, const struct ethernet *have)
{
	struct ethernet_modes supported = carrying(&have->supported);

	to->set |= 1U << ETHERNET_MODE;
	to->negotiates = want->autoneg == AUTONEG_ENABLE ||
		(want->autoneg == ETHERNET_NEGOTIATES_AS_USUAL && !is_former(want) &&
			can_negotiate(have));
	to->offer = is_empty(&want->offered) ? supported : both(&want->offered, &supported);
	to->speed_mbps = want->speed_mbps;
	to->duplex = want->duplex;
}

static void settle_mdix(struct settings *to, const struct ethernet *want)
{
	to->set |= 1U << ETHERNET_MDIX;
	to->mdix = want->mdix;
}

static void settle_pause(struct settings *to, const struct ethernet *want)
{
	to->set |= 1U << ETHERNET_PAUSE;
	to->pause_rx = want->pause_rx;
	to->pause_tx = want->pause_tx;
}

static void settle(struct settings *to, enum ethernet_attr attr, const struct ethernet *want,
	const struct ethernet *have)
{
	switch (attr) {
	case ETHERNET_MODE:
		settle_mode(to, want, have);
		break;
	case ETHERNET_MDIX:
		settle_mdix(to, want);
		break;
	case ETHERNET_PAUSE:
		settle_pause(to, want);
		break;
	case ETHERNET_ATTRS:
		break;
	}
}

/* What a port is given that is to be as before. */
static void settle_back(struct settings *to, enum ethernet_attr attr, const struct ethernet *have)
{
	static const struct ethernet usual = { .autoneg = AUTONEG_ENABLE, .mdix = ETH_TP_MDI_AUTO };
	const struct ethernet *kept = map_get_str(&before, have->object.key);

	if (!has(have, attr))
		return;
	if (has(kept, attr))
		settle(to, attr, kept, have);
	else if ((attr == ETHERNET_MODE && can_negotiate(have)) || attr == ETHERNET_MDIX)
		settle(to, attr, &usual, have);
}

/* @want and @was may be NULL. */
static struct settings settings_of(
	const struct ethernet *want, const struct ethernet *was, const struct ethernet *have)
{
	struct settings settings = { 0 };

	for (enum ethernet_attr attr = 0; attr < ETHERNET_ATTRS; attr++) {
		if (has(want, attr))
			settle(&settings, attr, want, have);
		else if (has(was, attr))
			settle_back(&settings, attr, have);
	}
	return settings;
}

static bool mode_differs(const struct settings *settings, const struct ethernet *have)
{
	struct ethernet_modes supported = carrying(&have->supported);
	struct ethernet_modes offered = both(&have->offered, &supported);

	if (settings->negotiates)
		return have->autoneg != AUTONEG_ENABLE ||
			memcmp(&offered, &settings->offer, sizeof(offered)) != 0;
	return have->autoneg == AUTONEG_ENABLE ||
		(settings->speed_mbps && have->speed_mbps &&
			settings->speed_mbps != have->speed_mbps) ||
		(settings->duplex != DUPLEX_UNKNOWN && have->duplex != DUPLEX_UNKNOWN &&
			settings->duplex != have->duplex);
}

static bool differs(
	const struct settings *settings, enum ethernet_attr attr, const struct ethernet *have)
{
	if (!(settings->set & (1U << attr)))
		return false;
	if (!has(have, attr))
		return true;
	switch (attr) {
	case ETHERNET_MODE:
		return mode_differs(settings, have);
	case ETHERNET_MDIX:
		return settings->mdix != have->mdix;
	case ETHERNET_PAUSE:
		return settings->pause_rx != have->pause_rx || settings->pause_tx != have->pause_tx;
	case ETHERNET_ATTRS:
		break;
	}
	return false;
}

static bool asks_for_modes(const struct ethernet *want, const struct settings *settings)
{
	return has(want, ETHERNET_MODE) && !is_former(want) && settings->negotiates &&
		!is_empty(&want->offered);
}

static enum object_diff ethernet_compare(const struct object *want_object,
	const struct object *was_object, const struct object *have_object)
{
	const struct ethernet *want = (const struct ethernet *)want_object;
	const struct ethernet *have = (const struct ethernet *)have_object;
	struct settings settings = settings_of(want, (const struct ethernet *)was_object, have);

	if (asks_for_modes(want, &settings) && lacking_medium(want, have))
		return OBJECT_CHANGE;
	for (enum ethernet_attr attr = 0; attr < ETHERNET_ATTRS; attr++) {
		if (differs(&settings, attr, have))
			return OBJECT_CHANGE;
	}
	return OBJECT_SAME;
}

static bool ethernet_vanishes(const struct object *have)
{
	return false;
}

static void ethernet_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "settings of port %s", object->key);
}

/* --- reading ----------------------------------------------------------------------------------- */

/* Byte by byte: both come from object_new() or object_copy(). */
static bool is_same(const struct ethernet *a, const struct ethernet *b)
{
	return !memcmp((const char *)a + sizeof(a->object), (const char *)b + sizeof(b->object),
		sizeof(*a) - sizeof(a->object));
}

static void put_if_changed(struct nl *nl, struct ethernet *port)
{
	const struct ethernet *known =
		have_get(have_all(), &object_kind_ethernet, port->object.key);

	if (known && is_same(known, port))
		object_free(&port->object);
	else
		have_put(&port->object);
}

static void put_seen(struct nl *nl, struct ethernet *port)
{
	watch_put(nl, &port->object);
}

void ethernet_read(struct nl *nl, const struct link *link)
{
	if (ethernet_is_port(link))
		ethtool_read(nl, link->ifindex, ETHTOOL_WHOLE, put_if_changed);
}

static int ethernet_dump(struct nl *nl, struct err *err)
{
	ethtool_read(nl, 0, ETHTOOL_WHOLE, put_seen);
	return 0;
}

/* The link of that name and where it is; false: there is none that could be asked. */
static bool find_link(const char *key, struct nl **ret_nl, uint32_t *ret_ifindex)
{
	const struct link *link = have_get(have_all(), &object_kind_link, key);

	*ret_nl = link ? nl_of(link_netns(link)) : NULL;
	*ret_ifindex = link ? link->ifindex : 0;
	return *ret_nl != NULL;
}

static int ethernet_refresh(const char *key, struct err *err)
{
	struct nl *nl;
	uint32_t ifindex;

	if (kernel_is_recording())
		return 0;
	for (size_t i = 0; !key && (nl = nl_at(i)); i++)
		ethtool_read(nl, 0, ETHTOOL_IN_USE, put_if_changed);
	if (key && find_link(key, &nl, &ifindex))
		ethtool_read(nl, ifindex, ETHTOOL_IN_USE, put_if_changed);
	return 0;
}

static int counters_refresh(const char *key, struct err *err)
{
	const struct link *link = key ? have_get(have_all(), &object_kind_link, key) : NULL;
	struct nl *nl;

	if (kernel_is_recording())
		return 0;
	for (size_t i = 0; !key && (nl = nl_at(i)); i++)
		ethtool_read_counters(nl, 0);
	if (link && ethernet_is_port(link) && (nl = nl_of(link_netns(link))))
		ethtool_read_counters(nl, link->ifindex);
	return 0;
}

void ethernet_link_gone(const char *name)
{
	struct ethernet *kept = map_del_str(&before, name);

	if (kept)
		object_free(&kept->object);
	have_remove(&object_kind_ethernet, name);
	have_remove(&object_kind_ethernet_counters, name);
}

/* --- writing ----------------------------------------------------------------------------------- */

static void keep(const struct ethernet *have, enum ethernet_attr attr)
{
	struct ethernet *kept = map_get_str(&before, have->object.key);

	if (!has(have, attr) || has(kept, attr))
		return;
	if (!kept) {
		kept = object_new(&object_kind_ethernet, have->object.key);
		map_put_str(&before, kept->object.key, kept);
	}
	kept->set |= 1U << attr;
	switch (attr) {
	case ETHERNET_MODE:
		kept->autoneg = have->autoneg;
		kept->duplex = have->duplex;
		kept->speed_mbps = have->speed_mbps;
		kept->offered = have->offered;
		break;
	case ETHERNET_MDIX:
		kept->mdix = have->mdix;
		break;
	case ETHERNET_PAUSE:
		kept->pause_rx = have->pause_rx;
		kept->pause_tx = have->pause_tx;
		break;
	case ETHERNET_ATTRS:
		break;
	}
}

/* It is as it was, or somebody else's by now. */
static void stop_keeping(const char *name, enum ethernet_attr attr)
{
	struct ethernet *kept = map_get_str(&before, name);

	if (!kept)
		return;
	kept->set &= ~(1U << attr);
	if (kept->set)
		return;
	map_del_str(&before, name);
	object_free(&kept->object);
}

static void put_mode(
	struct nlmsghdr *nlh, const struct settings *settings, const struct ethernet *have)
{
	struct ethernet_modes supported = carrying(&have->supported);

	mnl_attr_put_u8(nlh, ETHTOOL_A_LINKMODES_AUTONEG,
		settings->negotiates ? AUTONEG_ENABLE : AUTONEG_DISABLE);
	if (settings->negotiates && !is_empty(&supported)) {
		ethtool_put_bitset(nlh, ETHTOOL_A_LINKMODES_OURS, &settings->offer, &supported);
	} else if (!settings->negotiates) {
		if (settings->speed_mbps)
			mnl_attr_put_u32(nlh, ETHTOOL_A_LINKMODES_SPEED, settings->speed_mbps);
		if (settings->duplex != DUPLEX_UNKNOWN)
			mnl_attr_put_u8(nlh, ETHTOOL_A_LINKMODES_DUPLEX, settings->duplex);
	}
}

static int write_group(struct nl *nl, uint32_t ifindex, enum ethernet_attr attr,
	const struct settings *settings, const struct ethernet *have, struct err *err)
{
	static const uint8_t commands[ETHERNET_ATTRS] = { [ETHERNET_MODE] =
								  ETHTOOL_MSG_LINKMODES_SET,
		[ETHERNET_MDIX] = ETHTOOL_MSG_LINKINFO_SET,
		[ETHERNET_PAUSE] = ETHTOOL_MSG_PAUSE_SET };
	char buffer[NL_MESSAGE_BYTES];
	struct nlmsghdr *nlh =
		ethtool_begin(buffer, commands[attr], ETHTOOL_A_LINKMODES_HEADER, ifindex, 0);

	if (!nlh)
		return err_set(err, -EOPNOTSUPP, NULL,
			"this kernel cannot be told about ports (CONFIG_ETHTOOL_NETLINK)");
	switch (attr) {
	case ETHERNET_MODE:
		put_mode(nlh, settings, have);
		break;
	case ETHERNET_MDIX:
		mnl_attr_put_u8(nlh, ETHTOOL_A_LINKINFO_TP_MDIX_CTRL, settings->mdix);
		break;
	case ETHERNET_PAUSE:
		mnl_attr_put_u8(nlh, ETHTOOL_A_PAUSE_RX, settings->pause_rx);
		mnl_attr_put_u8(nlh, ETHTOOL_A_PAUSE_TX, settings->pause_tx);
		break;
	case ETHERNET_ATTRS:
		break;
	}
	return nl_genl_change(nl, nlh, err);
}

static int check_media(const struct ethernet *want, const struct settings *settings,
	const struct ethernet *have, struct err *err)
{
	const char *lacking;

	if (!asks_for_modes(want, settings) || !has(have, ETHERNET_MODE))
		return 0;
	lacking = lacking_medium(want, have);
	if (lacking)
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, want->paths[ETHERNET_MODE],
			"this port has no %s", lacking);
	if (is_empty(&settings->offer))
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, want->paths[ETHERNET_MODE],
			"this port cannot negotiate that speed and duplex");
	return 0;
}

/* Kernels and drivers mostly have no words for this one. */
static void explain(struct err *err, int error)
{
	if (error == -EOPNOTSUPP && str_equal(err_text(err), strerror(-error)))
		err_wrap(err, "the driver of this port does not let this be changed");
	err->tag = ERR_TAG_OPERATION_FAILED;
}

static int write_differences(struct step *step, struct nl *nl, uint32_t ifindex,
	const struct ethernet *want, const struct ethernet *have)
{
	struct settings settings = settings_of(want, (const struct ethernet *)step->was, have);
	int r = want ? check_media(want, &settings, have, &step->err) : 0;

	for (enum ethernet_attr attr = 0; r == 0 && attr < ETHERNET_ATTRS; attr++) {
		bool is_ours = has(want, attr) && !is_former(want);

		if (!differs(&settings, attr, have))
			continue;
		if (is_ours)
			keep(have, attr);
		step->is_done = true;
		r = write_group(nl, ifindex, attr, &settings, have, &step->err);
		if (r == 0 && !is_ours)
			stop_keeping(have->object.key, attr);
		if (r < 0)
			explain(&step->err, r);
		if (r < 0 && is_ours && want->paths[attr])
			step->err.path = xstrdup(want->paths[attr]);
	}
	return r;
}

static int ethernet_encode(struct nl_batch *batch, struct step *step)
{
	const char *key = (step->want ? step->want : step->have)->key;
	struct ethernet *have;
	uint32_t ifindex;
	struct nl *nl;
	int r;

	nl_batch_flush(batch); /* the link may be renamed in there */
	if (!find_link(key, &nl, &ifindex))
		return step->op == STEP_REMOVE
			? 0
			: err_set(&step->err, -ENODEV, NULL, "%s does not exist", key);
	have = have_get(have_all(), &object_kind_ethernet, key);
	have = have ? (struct ethernet *)object_copy(&have->object)
		    : object_new(&object_kind_ethernet, key);
	r = write_differences(step, nl, ifindex, (const struct ethernet *)step->want, have);
	if (step->is_done)
		ethernet_read(nl, have_get(have_all(), &object_kind_link, have->object.key));
	object_free(&have->object);
	return r;
}

void ethernet_record(const struct step *step)
{
	struct ethernet *port;

	if (step->op == STEP_REMOVE) {
		have_remove(step->have->kind, step->have->key);
		return;
	}
	port = (struct ethernet *)object_copy(step->want);
	memset(port->paths, 0, sizeof(port->paths));
	port->supported = port->offered;
	have_put(&port->object);
}

const struct object_kind object_kind_ethernet = {
	.name = "ethernet",
	.rank = KERNEL_RANK_ETHERNET,
	.size = sizeof(struct ethernet),
	.target = &kernel_target,
	.compare = ethernet_compare,
	.vanishes = ethernet_vanishes,
	.describe = ethernet_describe,
	.refresh = ethernet_refresh,
};

const struct nl_object ethernet_object = {
	.kind = &object_kind_ethernet,
	.encode = ethernet_encode,
	.dump = ethernet_dump,
};

/* --- counters ---------------------------------------------------------------------------------- */

static enum object_diff counters_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void counters_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "counters of port %s", object->key);
}

/* Nobody wants any. */
const struct object_kind object_kind_ethernet_counters = {
	.name = "ethernet-counters",
	.size = sizeof(struct ethernet_counters),
	.target = &kernel_target,
	.compare = counters_compare,
	.describe = counters_describe,
	.refresh = counters_refresh,
};
