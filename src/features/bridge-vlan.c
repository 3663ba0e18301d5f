/*
 * The VLANs of a bridge, a unit each: who is a member of it, tagged or not, and whose PVID it is. The
 * bridge's own name among the members stands for the device itself. A port's PVID (bridge-port/pvid) takes
 * effect in the VLAN that it names, if the port is a member there; frames without a tag are dropped
 * otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "bridge-multicast.h"
#include "bridge-vlan.h"
#include "interface.h"

#define PVID "infix-interfaces:bridge-port/pvid"

static int want_member(const struct lyd_node *entry, struct want *want, const struct lyd_node *item,
	uint16_t vid, const char *path, struct err *err)
{
	const struct lyd_node *bridge = node_ancestor(entry, "interface");
	const struct lyd_node *port = interface_find(bridge, node_value(item));
	const char *name = node_value(item);
	char key[BRIDGE_VLAN_KEY_MAX];
	char link[KERNEL_NAME_MAX];
	struct bridge_vlan *vlan;
	int r = interface_copy_name(link, name, path, err);

	if (r < 0)
		return r;
	bridge_vlan_key(key, link, vid);
	vlan = want_object(want, &object_kind_bridge_vlan, key, path);
	memcpy(vlan->link, link, sizeof(vlan->link));
	vlan->vid = vid;
	vlan->is_untagged = str_equal(path, "untagged");
	vlan->is_pvid = node_u64(port, PVID, 0) == vid;
	vlan->multicast_router = bridge_multicast_router(port);
	want_needs(vlan, &object_kind_link, name);
	want_needs(vlan, &object_kind_link, interface_name(bridge));
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	uint16_t vid = (uint16_t)node_u64(unit->node, "vid", 0);
	const struct lyd_node *item;
	int r = 0;

	NODE_FOREACH (item, unit->node, "tagged") {
		if (r == 0)
			r = want_member(unit->node, want, item, vid, "tagged", err);
	}
	NODE_FOREACH (item, unit->node, "untagged") {
		if (r == 0)
			r = want_member(unit->node, want, item, vid, "untagged", err);
	}
	return r;
}

/* --- a port's PVID is read here ------------------------------------------------------------------ */

static void add_vlan(const struct lyd_node *bridge, const char *vid, struct unit_set *set)
{
	const struct lyd_node *vlans = node_at(bridge, "infix-interfaces:bridge/vlans");

	if (vlans)
		unit_set_add(set, node_entry(vlans, "vlan", vid));
}

static void pvid_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *port = node_ancestor(node, "interface");
	const char *master = node_text(port, "infix-interfaces:bridge-port/bridge", NULL);
	const struct lyd_node *bridge = master ? interface_find(port, master) : port;

	if (!bridge)
		return;
	add_vlan(bridge, node_value(node), set);
	if (old && !str_equal(old, node_value(node)))
		add_vlan(bridge, old, set);
}

static bool has_item(const struct lyd_node *parent, const char *list, const char *value)
{
	const struct lyd_node *item;

	NODE_FOREACH (item, parent, list) {
		if (str_equal(node_value(item), value))
			return true;
	}
	return false;
}

static void router_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *port = node_ancestor(node, "interface"), *vlan;
	const char *master = node_text(port, "infix-interfaces:bridge-port/bridge", NULL);
	const struct lyd_node *bridge = master ? interface_find(port, master) : NULL;

	NODE_FOREACH (vlan, node_at(bridge, "infix-interfaces:bridge/vlans"), "vlan") {
		if (has_item(vlan, "tagged", interface_name(port)) ||
			has_item(vlan, "untagged", interface_name(port)))
			unit_set_add(set, vlan);
	}
}

/* --- show -------------------------------------------------------------------------------------- */

static int show_member(const char *link, uint16_t vid, const struct have *have,
	struct lyd_node *node, struct err *err)
{
	char key[BRIDGE_VLAN_KEY_MAX];
	const struct bridge_vlan *vlan;
	const char *list;

	bridge_vlan_key(key, link, vid);
	vlan = have_get(have, &object_kind_bridge_vlan, key);
	if (!vlan)
		return 0;
	list = vlan->is_untagged ? "untagged" : "tagged";
	return has_item(node, list, link) ? 0 : build_item(node, list, link, err);
}

/* What the kernel has beside what is configured. */
static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const char *bridge =
		interface_name(node_ancestor(unit->node ? unit->node : node, "interface"));
	uint16_t vid = (uint16_t)node_u64(node, "vid", 0);
	void *const *links;
	size_t count = have_group(have, &object_kind_link, bridge, &links);
	int r = show_member(bridge, vid, have, node, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct link *port = links[i];

		if (str_equal(port->master, bridge))
			r = show_member(port->object.key, vid, have, node, err);
	}
	return r;
}

/* VLANs by number. */
struct vids {
	bool are[4096];
};

static void find_configured(const struct unit *unit, struct vids *ret_vids)
{
	const struct lyd_node *vlan;

	memset(ret_vids, 0, sizeof(*ret_vids));
	NODE_FOREACH (vlan, node_at(unit->node, "infix-interfaces:bridge/vlans"), "vlan")
		ret_vids->are[node_u64(vlan, "vid", 0) % ARRAY_SIZE(ret_vids->are)] = true;
}

static int show_others_of(const struct vids *configured, const char *name, const struct have *have,
	struct lyd_node *vlans, struct err *err)
{
	void *const *all;
	size_t count = have_group(have, &object_kind_bridge_vlan, name, &all);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct bridge_vlan *vlan = all[i];
		struct lyd_node *entry = NULL;
		char vid[8];

		if (configured->are[vlan->vid])
			continue;
		snprintf(vid, sizeof(vid), "%u", vlan->vid);
		r = build_entry(vlans, "vlan", vid, &entry, err);
		if (r == 0)
			r = show_member(name, vlan->vid, have, entry, err);
	}
	return r;
}

int bridge_vlan_show_others(const struct unit *unit, const struct link *bridge,
	const struct have *have, struct lyd_node *vlans, struct err *err)
{
	const char *name = bridge->object.key;
	struct vids configured;
	void *const *links;
	size_t count = have_group(have, &object_kind_link, name, &links);
	int r;

	find_configured(unit, &configured);
	r = show_others_of(&configured, name, have, vlans, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct link *port = links[i];

		if (str_equal(port->master, name))
			r = show_others_of(&configured, port->object.key, have, vlans, err);
	}
	return r;
}

/* The port's bridge, or the bridge itself. */
static void shown_by(
	const struct object *object, void (*add)(void *arg, const char *key), void *arg)
{
	const struct bridge_vlan *vlan = (const struct bridge_vlan *)object;
	const struct link *link = have_get(have_all(), &object_kind_link, vlan->link);

	add(arg, link && *link->master ? link->master : vlan->link);
}

const struct feature feature_bridge_vlan = {
	.name = "bridge-vlan",
	.roots = (const char *const[]){ INTERFACE_VLANS_PATH, NULL },
	.except =
		(const char *const[]){
			INTERFACE_VLANS_PATH "/multicast",
			INTERFACE_VLANS_PATH "/multicast-filters",
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ INTERFACE_PATH "/infix-interfaces:bridge-port/pvid", pvid_affects },
			{ INTERFACE_PATH "/infix-interfaces:bridge-port/multicast/router",
				router_affects },
			{ NULL, NULL },
		},
	.want = want,
	.show = show,
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_bridge_vlan, INTERFACE_PATH, shown_by },
			{ NULL, NULL, NULL },
		},
};
