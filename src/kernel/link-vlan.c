/*
 * 802.1Q and 802.1ad links. Tag, protocol and lower link are accepted in a change and ignored: another one
 * of them means another link. Maps of priorities are changed entry by entry: what a message does not name stays.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>
#include <string.h>

#include "ashlar/str.h"

#include "link.h"

static bool is_same_vlan(const struct link *a, const struct link *b)
{
	return a->vlan.id == b->vlan.id && a->vlan.protocol == b->vlan.protocol &&
		str_equal(a->vlan.lower, b->vlan.lower);
}

static bool is_loose(const struct link *want)
{
	return link_is_former(want) ? want->vlan.is_loose : want->set & (1U << LINK_DOWN);
}

static enum object_diff vlan_compare(const struct link *want, const struct link *have)
{
	if (!is_same_vlan(want, have))
		return OBJECT_RECREATE;
	return is_loose(want) != have->vlan.is_loose ||
			memcmp(want->vlan.ingress, have->vlan.ingress, LINK_PRIORITIES) ||
			memcmp(want->vlan.egress, have->vlan.egress, LINK_PRIORITIES)
		? OBJECT_CHANGE
		: OBJECT_SAME;
}

/* Two with the same tag on one lower link cannot be. */
static bool vlan_blocks(const struct link *have, const struct link *want)
{
	return is_same_vlan(want, have);
}

static int vlan_put_base(struct nlmsghdr *nlh, const struct link *want, struct err *err)
{
	uint32_t lower = link_index(want->vlan.lower, NULL);

	if (!lower)
		return err_set(err, -ENODEV, NULL, "%s does not exist", want->vlan.lower);
	mnl_attr_put_u32(nlh, IFLA_LINK, lower);
	return 0;
}

/* Only what differs; a map that is not there is one of zeros. */
static void put_map(struct nlmsghdr *nlh, uint16_t type, const uint8_t *want, const uint8_t *have)
{
	static const uint8_t zeros[LINK_PRIORITIES];
	struct nlattr *map;

	if (!have)
		have = zeros;
	if (!memcmp(want, have, LINK_PRIORITIES))
		return;
	map = mnl_attr_nest_start(nlh, type);
	for (uint32_t i = 0; i < LINK_PRIORITIES; i++) {
		struct ifla_vlan_qos_mapping entry = { .from = i, .to = want[i] };

		if (want[i] != have[i])
			mnl_attr_put(nlh, IFLA_VLAN_QOS_MAPPING, sizeof(entry), &entry);
	}
	mnl_attr_nest_end(nlh, map);
}

static void vlan_put_data(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	struct ifla_vlan_flags flags = { .flags = is_loose(want) ? VLAN_FLAG_LOOSE_BINDING : 0,
		.mask = VLAN_FLAG_LOOSE_BINDING };

	if (!have) {
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, want->vlan.id);
		mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(want->vlan.protocol));
	}
	if (is_loose(want) != (have && have->vlan.is_loose))
		mnl_attr_put(nlh, IFLA_VLAN_FLAGS, sizeof(flags), &flags);
	put_map(nlh, IFLA_VLAN_INGRESS_QOS, want->vlan.ingress, have ? have->vlan.ingress : NULL);
	put_map(nlh, IFLA_VLAN_EGRESS_QOS, want->vlan.egress, have ? have->vlan.egress : NULL);
}

/* What is not listed is zero. */
static void take_map(uint8_t *map, const struct nlattr *list)
{
	struct ifla_vlan_qos_mapping entry = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, list) {
		if (mnl_attr_get_payload_len(attr) != sizeof(entry))
			continue;
		memcpy(&entry, mnl_attr_get_payload(attr), sizeof(entry));
		if (entry.from < LINK_PRIORITIES)
			map[entry.from] = (uint8_t)entry.to;
	}
}

static void vlan_take_data(struct link *link, const struct nlattr *data)
{
	struct ifla_vlan_flags flags = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_VLAN_ID:
			link_take_number(&link->vlan.id, sizeof(link->vlan.id), attr);
			break;
		case IFLA_VLAN_PROTOCOL:
			link_take_number(&link->vlan.protocol, sizeof(link->vlan.protocol), attr);
			link->vlan.protocol = ntohs(link->vlan.protocol);
			break;
		case IFLA_VLAN_FLAGS:
			if (mnl_attr_get_payload_len(attr) == sizeof(flags))
				memcpy(&flags, mnl_attr_get_payload(attr), sizeof(flags));
			link->vlan.is_loose = flags.flags & VLAN_FLAG_LOOSE_BINDING;
			break;
		case IFLA_VLAN_INGRESS_QOS:
			take_map(link->vlan.ingress, attr);
			break;
		case IFLA_VLAN_EGRESS_QOS:
			take_map(link->vlan.egress, attr);
			break;
		}
	}
}

const struct link_kind link_kind_vlan = {
	.name = "vlan",
	.compare = vlan_compare,
	.blocks = vlan_blocks,
	.put_base = vlan_put_base,
	.put_data = vlan_put_data,
	.take_data = vlan_take_data,
	.lacking = "this kernel has no 802.1Q VLAN support (CONFIG_VLAN_8021Q)",
};
