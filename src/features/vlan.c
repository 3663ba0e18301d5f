/*
 * 802.1Q and 802.1ad VLAN links on top of another link. A name like eth0.10 tells both. Priorities are mapped
 * between those of the tag and those inside the device, either way: to one, or each to itself.
 *
 * A VLAN's MTU cannot exceed that of the link below, and the kernel lowers it in silence when that one is
 * lowered; so what is configured of both is compared here, whichever of them changes.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>

#include "ashlar/str.h"

#include "interface.h"

#define VLAN  "infix-interfaces:vlan"
#define ID    VLAN "/id"
#define LOWER VLAN "/lower-layer-if"
#define MTU   "ietf-ip:ipv4/mtu"

#define INGRESS VLAN "/ingress-qos/priority"
#define EGRESS	VLAN "/egress-qos/pcp"

#define STACK_MAX 8 /* VLANs on VLANs whose MTU is looked for */

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

/* Of a link that a VLAN without a configured MTU has its own from; NULL when none is configured. */
static const struct lyd_node *mtu_below(const struct lyd_node *vlan)
{
	const struct lyd_node *entry = vlan;

	for (int i = 0; i < STACK_MAX && interface_is(entry, "vlan"); i++) {
		entry = interface_find(vlan, node_text(entry, LOWER, ""));
		if (!entry || node_exists(entry, MTU))
			return entry;
	}
	return NULL;
}

static int check_mtu(const struct unit *unit, struct err *err)
{
	uint64_t mtu = node_u64(unit->node, MTU, 0), limit;
	const struct lyd_node *below = mtu ? mtu_below(unit->node) : NULL;

	if (!below)
		return 0;
	limit = node_u64(below, MTU, mtu);
	if (mtu <= limit)
		return 0;
	return err_set(err, -EINVAL, MTU, "%u is more than the MTU of %s below, %u", (unsigned)mtu,
		interface_name(below), (unsigned)limit);
}

static int check(const struct unit *unit, struct err *err)
{
	if (!interface_is(unit->node, "vlan"))
		return 0;
	if (!kernel_can(KERNEL_CAN_VLAN))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
			"the kernel of this device has no VLAN interfaces (802.1Q)");
	if (interface_is_above(unit->node, interface_name(unit->node)))
		return err_set(err, -EINVAL, LOWER,
			"a VLAN interface cannot be on top of itself, nor on one that is on top of "
			"it: %s",
			node_text(unit->node, LOWER, ""));
	return check_mtu(unit, err);
}

/* What is not a number is each to itself. */
static void read_map(uint8_t *map, const char *text)
{
	uint64_t to = 0;
	bool is_number = str_u64(text, 0, LINK_PRIORITIES - 1, &to) == 0;

	for (uint8_t i = 0; i < LINK_PRIORITIES; i++)
		map[i] = is_number ? (uint8_t)to : i;
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
	read_map(link->vlan.ingress, node_text(unit->node, INGRESS, "0"));
	read_map(link->vlan.egress, node_text(unit->node, EGRESS, "0"));
	want_needs(link, &object_kind_link, link->vlan.lower);
	/* The kernel refuses to raise a VLAN link above one that is down. */
	up = want_find(want, &object_kind_link_up, link->object.key);
	if (up)
		want_needs(up, &object_kind_link_up, link->vlan.lower);
	return 0;
}

/* --- an MTU below is read here ------------------------------------------------------------------- */

struct standing {
	struct unit_set *set;
	int limit;
};

static void add_vlans_on(const char *lower, struct standing *standing);

static void add_if_vlan(const struct object *object, void *arg)
{
	struct standing *standing = arg;

	if (object->kind != &object_kind_link ||
		((const struct link *)object)->kind != &link_kind_vlan)
		return;
	unit_set_add_path(standing->set, want_unit_path(object->want));
	add_vlans_on(object->key, standing);
}

static void add_vlans_on(const char *lower, struct standing *standing)
{
	if (!standing->limit)
		return;
	standing->limit--;
	state_each_needing(&object_kind_link, lower, add_if_vlan, standing);
	standing->limit++;
}

/* VLANs that the same change adds are asked anyway. */
static void mtu_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	struct standing standing = { set, STACK_MAX };

	add_vlans_on(interface_name(node_ancestor(node, "interface")), &standing);
}

/* --- show -------------------------------------------------------------------------------------- */

/* A map that the model has no word for is not shown. */
static int show_map(struct lyd_node *vlan, const char *container, const char *leaf,
	const uint8_t *map, const char *identity, struct err *err)
{
	struct lyd_node *node = NULL;
	bool is_one = true, is_identity = true;
	int r;

	for (uint8_t i = 0; i < LINK_PRIORITIES; i++) {
		is_one &= map[i] == map[0];
		is_identity &= map[i] == i;
	}
	if (!is_one && !is_identity)
		return 0;
	r = build_container(vlan, container, &node, err);
	if (r < 0)
		return r;
	return is_identity ? build_leaf(node, leaf, identity, err)
			   : build_u64(node, leaf, map[0], err);
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
	if (r == 0)
		r = show_map(vlan, "ingress-qos", "priority", link->vlan.ingress, "from-pcp", err);
	if (r == 0)
		r = show_map(vlan, "egress-qos", "pcp", link->vlan.egress, "from-priority", err);
	return r;
}

const struct feature feature_vlan = {
	.name = "vlan",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:vlan", NULL },
	.reads =
		(const struct feature_reads[]){
			{ INTERFACE_PATH "/ietf-ip:ipv4/mtu", mtu_affects },
			{ INTERFACE_PATH "/infix-interfaces:vlan/lower-layer-if", mtu_affects },
			{ NULL, NULL },
		},
	.link_types = (const char *const[]){ "vlan", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
};
