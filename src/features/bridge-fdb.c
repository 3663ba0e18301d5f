/*
 * The forwarding database of a bridge: entries given by hand, and all that there are, read when somebody asks,
 * one by one.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>

#include "ashlar/str.h"

#include "interface.h"

#define FDB	 "infix-interfaces:bridge/ashlar-bridge:fdb"
#define STATIC	 FDB "/static-entry"
#define FDB_PATH INTERFACE_PATH "/" FDB

/* --- want -------------------------------------------------------------------------------------- */

static int want_entry(
	const struct lyd_node *entry, const char *bridge, struct want *want, struct err *err)
{
	const char *mac = node_text(entry, "mac", ""), *port = node_text(entry, "port", "");
	_cleanup_free_ char *path =
		xasprintf(STATIC "[vid='%s'][mac='%s']", node_text(entry, "vid", ""), mac);
	char key[BRIDGE_FDB_KEY_MAX], vlan_key[BRIDGE_VLAN_KEY_MAX];
	struct bridge_fdb parsed = { .vid = (uint16_t)node_u64(entry, "vid", 0) }, *fdb;
	int r = interface_copy_name(parsed.bridge, bridge, path, err);

	if (r == 0)
		r = interface_copy_name(parsed.port, port, path, err);
	if (r == 0 && str_parse_mac(mac, parsed.mac) < 0)
		r = err_set(err, -EINVAL, path, "\"%s\" is not a MAC address", mac);
	if (r < 0)
		return r;
	bridge_fdb_key(key, parsed.bridge, parsed.vid, parsed.mac);
	fdb = want_object(want, &object_kind_bridge_fdb, key, want_path(want, path));
	memcpy(fdb->bridge, parsed.bridge, sizeof(fdb->bridge));
	memcpy(fdb->port, parsed.port, sizeof(fdb->port));
	memcpy(fdb->mac, parsed.mac, sizeof(fdb->mac));
	fdb->vid = parsed.vid;
	fdb->flags = NTF_STICKY;
	want_needs(fdb, &object_kind_link, fdb->bridge);
	want_needs(fdb, &object_kind_link, fdb->port);
	bridge_vlan_key(vlan_key, fdb->port, fdb->vid);
	if (fdb->vid)
		want_needs(fdb, &object_kind_bridge_vlan, vlan_key);
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *entry;
	int r = 0;

	NODE_FOREACH (entry, node_at(unit->node, FDB), "static-entry") {
		r = want_entry(entry, interface_name(unit->node), want, err);
		if (r < 0)
			break;
	}
	return r;
}

/* --- show -------------------------------------------------------------------------------------- */

static const char *type_of(const struct bridge_fdb *fdb)
{
	if (fdb->state & NUD_PERMANENT)
		return "own";
	return fdb->state & NUD_NOARP ? "static" : "learned";
}

static int show_entry(const struct bridge_fdb *fdb, struct lyd_node *entry, struct err *err)
{
	char mac[18];
	int r;

	str_mac(mac, fdb->mac);
	r = build_leaf(entry, "mac", mac, err);
	if (r == 0)
		r = build_u64(entry, "vid", fdb->vid, err);
	if (r == 0)
		r = build_leaf(entry, "port", fdb->port, err);
	if (r == 0)
		r = build_leaf(entry, "type", type_of(fdb), err);
	if (r == 0 && !(fdb->state & (NUD_PERMANENT | NUD_NOARP)))
		r = build_u64(entry, "idle", fdb->idle_s, err);
	return r == 0 && fdb->flags & NTF_OFFLOADED ? build_leaf(entry, "offloaded", "", err) : r;
}

/* What is asked for, as far as the reader has to know it. */
struct supply {
	struct bridge_fdb_reader *reader;
	bool has_mac, has_vid;
	uint8_t mac[6];
	uint64_t vid;
};

static void close_entries(void *arg)
{
	struct supply *supply = arg;

	if (supply)
		bridge_fdb_reader_free(supply->reader);
	free(supply);
}

static int open_entries(const struct lyd_node *parent, const struct feature_asked *asked,
	void **ret_supply, struct err *err)
{
	const char *bridge = interface_name(node_ancestor(parent, "interface"));
	const char *mac = asked->value(asked, "mac"), *vid = asked->value(asked, "vid");
	struct supply *supply = XNEW(struct supply);
	int r = bridge_fdb_reader_new(bridge, asked->value(asked, "port"), &supply->reader, err);

	if (r < 0) {
		close_entries(supply);
		return r;
	}
	supply->has_mac = mac && str_parse_mac(mac, supply->mac) == 0;
	supply->has_vid = vid && str_u64(vid, 0, UINT16_MAX, &supply->vid) == 0;
	*ret_supply = supply;
	return 0;
}

static bool is_asked(const struct supply *supply, const struct bridge_fdb *fdb)
{
	return (!supply->has_mac || !memcmp(supply->mac, fdb->mac, sizeof(fdb->mac))) &&
		(!supply->has_vid || supply->vid == fdb->vid);
}

static int next_entry(
	void *arg, struct lyd_node *parent, struct lyd_node **ret_entry, struct err *err)
{
	struct supply *supply = arg;
	const struct bridge_fdb *fdb;
	int r;

	do {
		r = bridge_fdb_reader_next(supply->reader, &fdb, err);
	} while (r > 0 && fdb && !is_asked(supply, fdb));
	if (r <= 0 || !fdb)
		return r;
	r = build_entry(parent, "entry", NULL, ret_entry, err);
	if (r == 0)
		r = show_entry(fdb, *ret_entry, err);
	return r < 0 ? r : 1;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *bridge = NULL, *fdb;
	int r;

	if (!link || link->kind != &link_kind_bridge || !interface_is_shown_as(node, "bridge"))
		return 0;
	r = build_container(node, "infix-interfaces:bridge", &bridge, err);
	return r < 0 ? r : build_container(bridge, "ashlar-bridge:fdb", &fdb, err);
}

const struct feature feature_bridge_fdb = {
	.name = "bridge-fdb",
	.modules = (const struct feature_module[]){ { "ashlar-bridge", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ FDB_PATH, NULL },
	.want = want,
	.show = show,
	.supplies =
		(const struct feature_supply[]){
			{ FDB_PATH "/entry", open_entries, next_entry, NULL, close_entries },
			{ NULL },
		},
	/* What is learned is not told. */
	.silent = (const char *const[]){ FDB_PATH "/entry", NULL },
};
