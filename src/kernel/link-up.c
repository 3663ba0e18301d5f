/*
 * Whether a link is up, as an object of its own: it comes after VLAN membership and port flags, so that a
 * port carries nothing before all is in place, and before addresses and routes.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#include "ashlar/state.h"

#include "link.h"

static enum object_diff link_up_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void link_up_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "upstate of interface %s", object->key);
}

/* Links that are not configured are up or down as others please. */
static enum object_owner link_up_owner(const struct object *have)
{
	const struct link *link = have_get(have_all(), &object_kind_link, have->key);

	return link && link_mark(link) ? OBJECT_OURS : OBJECT_FOREIGN;
}

const struct object_kind object_kind_link_up = {
	.name = "link-up",
	.rank = KERNEL_RANK_LINK_UP,
	.size = sizeof(struct link_up),
	.target = &kernel_target,
	.compare = link_up_compare,
	.describe = link_up_describe,
	.owner = link_up_owner,
	.absent = "is down",
};

static int link_up_encode(struct nl_batch *batch, struct step *step)
{
	bool removes = step->op == STEP_REMOVE;
	const char *name = (step->want ? step->want : step->have)->key;
	struct nl *nl;
	uint32_t ifindex = link_index(name, &nl);
	struct ifinfomsg *ifi;

	if (!ifindex)
		return removes ? 0 : err_set(&step->err, -ENODEV, NULL, "%s does not exist", name);
	ifi = mnl_nlmsg_put_extra_header(
		nl_batch_begin(batch, nl, RTM_NEWLINK, 0, step, removes ? ENODEV : 0),
		sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = removes ? 0 : IFF_UP;
	nl_batch_end(batch);
	return 0;
}

static const char *link_up_explain(const struct step *step, int error)
{
	switch (error) {
	case ENETDOWN:
		return "the interface below it is down";
	case ENODEV:
		return "the interface does not exist";
	default:
		return NULL;
	}
}

void link_up_record(const struct step *step)
{
	const char *key = (step->want ? step->want : step->have)->key;
	const struct link *link = have_get(have_all(), &object_kind_link, key);
	struct link *copy = link ? object_copy(&link->object) : NULL;

	if (step->op == STEP_REMOVE)
		have_remove(&object_kind_link_up, key);
	else
		have_put(object_copy(step->want));
	if (!copy)
		return;
	copy->flags = step->op == STEP_REMOVE ? 0 : IFF_UP | IFF_RUNNING;
	copy->operstate = copy->flags ? IF_OPER_UP : IF_OPER_DOWN;
	have_put(&copy->object);
}

const struct nl_object link_up_object = {
	.kind = &object_kind_link_up,
	.encode = link_up_encode,
	.explain = link_up_explain,
};
