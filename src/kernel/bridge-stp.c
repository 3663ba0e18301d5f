/*
 * What of a bridge's spanning tree is an object of its own.
 *
 * It is turned on with the link, before ports join, and turned off after all links have changed: in between a
 * loop would be open that no configuration has. So there is an object for its being off, made late.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/state.h"

#include "link.h"

/* --- off ---------------------------------------------------------------------------------------- */

static enum object_diff off_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void off_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "end of the spanning tree on %s", object->key);
}

const struct object_kind object_kind_bridge_stp_off = {
	.name = "bridge-stp-off",
	.rank = KERNEL_RANK_STP_OFF,
	.size = sizeof(struct object),
	.target = &kernel_target,
	.compare = off_compare,
	.describe = off_describe,
};

/* Removing it is turning the tree on: that comes with the link. A bridge that is made has none. */
static int off_encode(struct nl_batch *batch, struct step *step)
{
	const char *name = (step->want ? step->want : step->have)->key;
	const struct link *link = have_get(have_all(), &object_kind_link, name);
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;
	struct ifinfomsg *ifi;
	struct nl *nl;
	uint32_t ifindex = link_index(name, &nl);

	step->is_done = true;
	if (step->op == STEP_REMOVE || !link || link->ifindex != ifindex || !link->bridge.stp)
		return 0;
	nlh = nl_batch_begin(batch, nl, RTM_NEWLINK, 0, step, 0);
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, link_kind_bridge.name);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, IFLA_BR_STP_STATE, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	nl_batch_end(batch);
	return 0;
}

void bridge_stp_seen_link(struct nl *nl, const struct link *link)
{
	const char *key = link->object.key;

	if (link->kind != &link_kind_bridge || link->bridge.stp)
		have_remove(&object_kind_bridge_stp_off, key);
	else if (!have_get(have_all(), &object_kind_bridge_stp_off, key))
		have_put(object_new(&object_kind_bridge_stp_off, key));
}

const struct nl_object bridge_stp_off_object = {
	.kind = &object_kind_bridge_stp_off,
	.encode = off_encode,
};

/* --- what is not spoken ------------------------------------------------------------------------- */

static bool rapid_can_be_added(const struct object *want)
{
	return false;
}

static void rapid_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "rapid spanning tree on %s", object->key);
}

const struct object_kind object_kind_bridge_rapid_stp = {
	.name = "bridge-rapid-stp",
	.rank = KERNEL_RANK_STP_OFF,
	.size = sizeof(struct object),
	.target = &kernel_target,
	.can_be_added = rapid_can_be_added,
	.absent = "is not what this device speaks: it is stp",
	.describe = rapid_describe,
};
