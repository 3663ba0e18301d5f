/* Speed, duplex and autonegotiation, read by generic netlink: of one link, or in one dump of all. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/state.h"

#include "link.h"

static uint32_t ifindex_of(const struct nlattr *header)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, header) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_HEADER_DEV_INDEX &&
			mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static int take_modes(const struct nlmsghdr *nlh, void *arg)
{
	uint32_t speed = 0, ifindex = 0;
	uint8_t duplex = 0xff, autoneg = 0xff;
	const struct nlattr *attr;
	const char *name;
	struct link *link;

	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == ETHTOOL_A_LINKMODES_HEADER)
			ifindex = ifindex_of(attr);
		else if (type == ETHTOOL_A_LINKMODES_SPEED &&
			mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			speed = mnl_attr_get_u32(attr);
		else if (type == ETHTOOL_A_LINKMODES_DUPLEX &&
			mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
			duplex = mnl_attr_get_u8(attr);
		else if (type == ETHTOOL_A_LINKMODES_AUTONEG &&
			mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
			autoneg = mnl_attr_get_u8(attr);
	}
	name = nl_name_of(nl_of(""), ifindex);
	link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	if (!link || link->netns)
		return 0;
	link->speed_mbps = speed == (uint32_t)SPEED_UNKNOWN ? 0 : speed;
	link->duplex = duplex;
	link->autoneg = autoneg;
	return 0;
}

void ethtool_refresh(uint32_t ifindex)
{
	static int family;
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl;
	struct nlattr *header;
	int r;

	if (!family)
		family = nl_genl_family("ethtool");
	if (family < 0)
		return;
	nlh->nlmsg_type = (uint16_t)family;
	nlh->nlmsg_flags = ifindex ? 0 : NLM_F_DUMP;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = ETHTOOL_MSG_LINKMODES_GET;
	genl->version = ETHTOOL_GENL_VERSION;
	header = mnl_attr_nest_start(nlh, ETHTOOL_A_LINKMODES_HEADER | NLA_F_NESTED);
	if (ifindex)
		mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_FLAGS, ETHTOOL_FLAG_COMPACT_BITSETS);
	mnl_attr_nest_end(nlh, header);
	r = nl_genl_request(nl_of(""), nlh, take_modes, NULL);
	if (r < 0 && r != -EOPNOTSUPP) /* what has no speed refuses to tell */
		log_debug("ethtool", "link modes: %s", strerror(-r));
}
