/* VXLAN tunnels (RFC 7348) from one address to another: frames in UDP. */
#include "ashlar/str.h"

#include "tunnel.h"

#define VXLAN "infix-interfaces:vxlan"

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!str_equal(interface_guess(interface_name(unit->node), NULL, NULL), "vxlan"))
		return 0;
	return interface_fill_type(edit, unit, "vxlan", err);
}

static int check(const struct unit *unit, struct err *err)
{
	return interface_is(unit->node, "vxlan") ? interface_check_kind(&link_kind_vxlan, err) : 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *vxlan = node_child(unit->node, VXLAN);
	struct link *link;
	int r;

	if (!interface_is(unit->node, "vxlan"))
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, VXLAN, err);
	if (r < 0)
		return r;
	link->kind = &link_kind_vxlan;
	link->tunnel.vni = (uint32_t)node_u64(vxlan, "vni", 0);
	link->tunnel.port = (uint16_t)node_u64(vxlan, "remote-port", 4789);
	r = tunnel_read(vxlan, &link->tunnel, err);
	if (r < 0)
		err_prefix(err, VXLAN);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *vxlan = NULL;
	int r;

	if (!link || link->kind != &link_kind_vxlan || !interface_is_shown_as(node, "vxlan") ||
		node_exists(node, VXLAN "/vni"))
		return 0;
	r = build_container(node, VXLAN, &vxlan, err);
	if (r == 0)
		r = tunnel_show(&link->tunnel, vxlan, err);
	if (r == 0)
		r = build_u64(vxlan, "remote-port", link->tunnel.port, err);
	return r < 0 ? r : build_u64(vxlan, "vni", link->tunnel.vni, err);
}

const struct feature feature_vxlan = {
	.name = "vxlan",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:vxlan", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
	.link_types = (const char *const[]){ "vxlan", NULL },
};
