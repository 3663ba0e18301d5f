/*
 * 802.1Q and 802.1ad VLAN links on top of another link. A name like eth0.10 tells both; priorities in and
 * out are the model's defaults (0), which are the kernel's.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>

#include "ashlar/str.h"

#include "interface.h"

#define VLAN  "infix-interfaces:vlan"
#define ID    VLAN "/id"
#define LOWER VLAN "/lower-layer-if"

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	char lower[KERNEL_NAME_MAX], text[8];
	uint16_t vid;
	int r;

	if (!str_equal(interface_guess(interface_name(unit->node), lower, &vid), "vlan"))
		return 0;
	r = interface_fill_type(edit, unit, "vlan", err);
	if (r < 0 || !interface_is(unit->node, "vlan"))
		return r;
	if (!node_exists(unit->node, ID)) {
		snprintf(text, sizeof(text), "%u", vid);
		r = edit_fill(edit, unit->node, ID, text, err);
	}
	if (r == 0 && *lower && !node_exists(unit->node, LOWER))
		r = edit_fill(edit, unit->node, LOWER, lower, err);
	return r;
}

static int check(const struct unit *unit, struct err *err)
{
	if (!interface_is(unit->node, "vlan"))
		return 0;
	if (!kernel_can(KERNEL_CAN_VLAN))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
			"the kernel of this device has no VLAN interfaces (802.1Q)");
	if (str_equal(node_text(unit->node, LOWER, ""), interface_name(unit->node)))
		return err_set(err, -EINVAL, LOWER, "a VLAN interface cannot be on top of itself");
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	struct link_up *up;
	struct link *link;
	int r;

	if (!interface_is(unit->node, "vlan"))
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, VLAN, err);
	if (r < 0)
		return r;
	link->kind = &link_kind_vlan;
	link->vlan.id = (uint16_t)node_u64(unit->node, ID, 0);
	link->vlan.protocol = str_equal(node_identity(unit->node, VLAN "/tag-type"), "s-vlan")
		? ETH_P_8021AD
		: ETH_P_8021Q;
	r = interface_copy_name(link->vlan.lower, node_text(unit->node, LOWER, ""), LOWER, err);
	if (r < 0)
		return r;
	want_needs(link, &object_kind_link, link->vlan.lower);
	/* The kernel refuses to raise a VLAN link above one that is down. */
	up = want_find(want, &object_kind_link_up, link->object.key);
	if (up)
		want_needs(up, &object_kind_link_up, link->vlan.lower);
	return 0;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *vlan = NULL;
	int r;

	if (!link || link->kind != &link_kind_vlan || !interface_is_shown_as(node, "vlan") ||
		node_exists(node, ID))
		return 0;
	r = build_container(node, VLAN, &vlan, err);
	if (r == 0)
		r = build_leaf(vlan, "tag-type",
			link->vlan.protocol == ETH_P_8021AD ? "ieee802-dot1q-types:s-vlan"
							    : "ieee802-dot1q-types:c-vlan",
			err);
	if (r == 0)
		r = build_u64(vlan, "id", link->vlan.id, err);
	if (r == 0 && *link->vlan.lower)
		r = build_leaf(vlan, "lower-layer-if", link->vlan.lower, err);
	return r;
}

const struct feature feature_vlan = {
	.name = "vlan",
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:vlan/tag-type",
			INTERFACE_PATH "/infix-interfaces:vlan/id",
			INTERFACE_PATH "/infix-interfaces:vlan/lower-layer-if",
			NULL,
		},
	.link_kind = &link_kind_vlan,
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
};
