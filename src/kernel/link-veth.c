/*
 * Pairs of connected links. Making one end makes both, under both names and with numbers of our choice, so
 * that the same batch can go on with either. What the other end wants beyond being there is its own step.
 */
#include <linux/if_link.h>
#include <linux/veth.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

static enum object_diff veth_compare(const struct link *want, const struct link *have)
{
	/* The name of a peer in a foreign network namespace is not known. */
	return !*have->veth.peer || str_equal(want->veth.peer, have->veth.peer) ? OBJECT_SAME
										: OBJECT_RECREATE;
}

static void veth_put_data(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	const struct object *other = state_wanted(&object_kind_link, want->veth.peer);
	struct ifinfomsg *ifi;
	struct nlattr *peer;

	if (have || !*want->veth.peer)
		return;
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	/* One that is made again gets its old number. */
	ifi->ifi_index = (int)link_choose_index(want->veth.peer, nl_of(""),
		want->object.want ? 0 : want->lower_ifindex, &link_kind_veth);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, want->veth.peer);
	if (other)
		mnl_attr_put_u32(nlh, IFLA_GROUP, link_mark_of((const struct link *)other));
	mnl_attr_nest_end(nlh, peer);
}

const struct link_kind link_kind_veth = {
	.name = "veth",
	.compare = veth_compare,
	.put_data = veth_put_data,
	.lacking = "this kernel has no veth links (CONFIG_VETH)",
};
