/*
 * 802.1Q and 802.1ad links. Tag, protocol and lower link are accepted in a change and ignored: another one
 * of them means another link.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>

#include "ashlar/str.h"

#include "link.h"

static enum object_diff vlan_compare(const struct link *want, const struct link *have)
{
	return want->vlan.id == have->vlan.id && want->vlan.protocol == have->vlan.protocol &&
			str_equal(want->vlan.lower, have->vlan.lower)
		? OBJECT_SAME
		: OBJECT_RECREATE;
}

/* Two with the same tag on one lower link cannot be. */
static bool vlan_blocks(const struct link *have, const struct link *want)
{
	return vlan_compare(want, have) == OBJECT_SAME;
}

static int vlan_put_base(struct nlmsghdr *nlh, const struct link *want, struct err *err)
{
	uint32_t lower = link_index(want->vlan.lower, NULL);

	if (!lower)
		return err_set(err, -ENODEV, NULL, "%s does not exist", want->vlan.lower);
	mnl_attr_put_u32(nlh, IFLA_LINK, lower);
	return 0;
}

static void vlan_put_data(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	if (have)
		return;
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, want->vlan.id);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(want->vlan.protocol));
}

static void vlan_take_data(struct link *link, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data) {
		uint16_t type = mnl_attr_get_type(attr);

		if (mnl_attr_validate(attr, MNL_TYPE_U16) < 0)
			continue;
		if (type == IFLA_VLAN_ID)
			link->vlan.id = mnl_attr_get_u16(attr);
		else if (type == IFLA_VLAN_PROTOCOL)
			link->vlan.protocol = ntohs(mnl_attr_get_u16(attr));
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
