/*
 * Pairs of connected links. Both ends are configured and name each other, which the model sees to; the
 * kernel makes the pair when the first of them comes.
 */
#include "ashlar/str.h"

#include "interface.h"

#define PEER "infix-interfaces:veth/peer"

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	char peer[KERNEL_NAME_MAX];
	int r;

	if (!str_equal(interface_guess(interface_name(unit->node), peer, NULL), "veth"))
		return 0;
	r = interface_fill_type(edit, unit, "veth", err);
	if (r < 0 || !interface_is(unit->node, "veth") || node_exists(unit->node, PEER) ||
		!interface_find(unit->node, peer))
		return r;
	return edit_fill(edit, unit->node, PEER, peer, err);
}

static int check(const struct unit *unit, struct err *err)
{
	if (interface_is(unit->node, "veth") && !kernel_can(KERNEL_CAN_VETH))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
			"the kernel of this device has no veth interfaces");
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	struct link *link;
	int r;

	if (!interface_is(unit->node, "veth"))
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, "infix-interfaces:veth", err);
	if (r < 0)
		return r;
	link->kind = &link_kind_veth;
	return interface_copy_name(link->veth.peer, node_text(unit->node, PEER, ""), PEER, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *veth = NULL;
	int r;

	if (!link || link->kind != &link_kind_veth || !*link->veth.peer ||
		!interface_is_shown_as(node, "veth") || node_exists(node, PEER))
		return 0;
	r = build_container(node, "infix-interfaces:veth", &veth, err);
	return r < 0 ? r : build_leaf(veth, "peer", link->veth.peer, err);
}

const struct feature feature_veth = {
	.name = "veth",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:veth", NULL },
	.link_types = (const char *const[]){ "veth", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
};
