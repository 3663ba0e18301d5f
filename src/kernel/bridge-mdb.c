/*
 * The multicast database of bridges: which ports get a group. What is configured is marked with our protocol
 * number, and observed, like what others have made permanent. What snooping finds out is read when it is asked
 * for, and holds until it is read again.
 *
 * An entry that is not permanent goes when its time is up, or when the last host says that it leaves. Then it
 * has had its time: it stays known as aged, and is made again only with its port, its bridge or the daemon.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define SET_PROTOCOL 4 /* MDBE_ATTR_RTPROT, which older headers lack */

/* What was read of one bridge. */
struct learned {
	char bridge[KERNEL_NAME_MAX];
	struct bridge_mdb *items; /* by VLAN, then by group */
	size_t count, room;
	struct router {
		uint16_t vid;
		char port[KERNEL_NAME_MAX];
	} * routers;
	size_t router_count, router_room;
};

static struct map learned; /* name of the bridge → struct learned * */

static size_t group_size(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : ETH_ALEN;
}

void bridge_mdb_group_text(char *text, uint8_t family, const void *group)
{
	if (family == AF_PACKET)
		str_mac(text, group);
	else
		inet_ntop(family, group, text, INET6_ADDRSTRLEN);
}

void bridge_mdb_key(char *key, const char *bridge, uint16_t vid, const char *port, uint8_t family,
	const void *group)
{
	char text[INET6_ADDRSTRLEN] = "";

	bridge_mdb_group_text(text, family, group);
	snprintf(key, BRIDGE_MDB_KEY_MAX, "%s %u %s %s", bridge, vid, port, text);
}

static enum object_diff mdb_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct bridge_mdb *a = (const struct bridge_mdb *)want,
				*b = (const struct bridge_mdb *)have;

	if (a->is_permanent != b->is_permanent)
		return OBJECT_CHANGE;
	return OBJECT_SAME;
}

static void mdb_describe(const struct object *object, char *text, size_t size)
{
	const struct bridge_mdb *mdb = (const struct bridge_mdb *)object;
	char group[INET6_ADDRSTRLEN] = "";

	bridge_mdb_group_text(group, mdb->family, mdb->group);
	snprintf(text, size, "group %s on port %s of %s", group, mdb->port, mdb->bridge);
}

static enum object_owner mdb_owner(const struct object *have)
{
	return ((const struct bridge_mdb *)have)->is_ours ? OBJECT_OURS : OBJECT_FOREIGN;
}

static size_t mdb_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct bridge_mdb *)have)->bridge;
	ret_names[1] = ((const struct bridge_mdb *)have)->port;
	return 2;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void fill_entry(struct br_mdb_entry *entry, const struct bridge_mdb *mdb, uint32_t port)
{
	entry->ifindex = port;
	entry->state = mdb->is_permanent ? MDB_PERMANENT : MDB_TEMPORARY;
	entry->vid = mdb->vid;
	memcpy(&entry->addr.u, mdb->group, group_size(mdb->family));
	if (mdb->family != AF_PACKET)
		entry->addr.proto = htons(mdb->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
}

static int encode(struct nl_batch *batch, struct step *step, uint16_t flags)
{
	bool removes = step->op == STEP_REMOVE;
	const struct bridge_mdb *mdb =
		(const struct bridge_mdb *)(step->want ? step->want : step->have);
	struct nl *nl;
	uint32_t bridge = link_index(mdb->bridge, &nl), port = link_index(mdb->port, NULL);
	struct br_mdb_entry entry = { 0 };
	struct br_port_msg *msg;
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	if (removes && mdb->has_aged)
		have_remove(&object_kind_bridge_mdb, mdb->object.key);
	if (!bridge || !port)
		return removes ? 0
			       : err_set(&step->err, -ENODEV, NULL, "%s does not exist",
					 bridge ? mdb->port : mdb->bridge);
	fill_entry(&entry, mdb, port);
	if (removes && mdb->was_learned) {
		entry.state = MDB_TEMPORARY;
		flags = NLM_F_REPLACE;
	}
	/* Gone with its time, its port or the snooping: the kernel says EINVAL of most of it. */
	nlh = nl_batch_begin(batch, nl, removes && !mdb->was_learned ? RTM_DELMDB : RTM_NEWMDB,
		removes && !mdb->was_learned ? 0 : NLM_F_CREATE | flags, step,
		removes ? NL_ANY_ERROR : 0);
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->family = AF_BRIDGE;
	msg->ifindex = bridge;
	mnl_attr_put(nlh, MDBA_SET_ENTRY, sizeof(entry), &entry);
	if (!removes && (mdb->object.want || mdb->is_ours)) {
		nest = mnl_attr_nest_start(nlh, MDBA_SET_ENTRY_ATTRS);
		mnl_attr_put_u8(nlh, SET_PROTOCOL, KERNEL_PROTOCOL);
		mnl_attr_nest_end(nlh, nest);
	}
	nl_batch_end(batch);
	return 0;
}

/* Replacing changes how long it stays. */
static int mdb_encode(struct nl_batch *batch, struct step *step)
{
	return encode(batch, step, step->op == STEP_CHANGE ? NLM_F_REPLACE : NLM_F_EXCL);
}

static bool is_taken(const struct step *step)
{
	return step->error == -EEXIST && step->op == STEP_ADD &&
		step->want->kind == &object_kind_bridge_mdb;
}

/* What snooping has found out is no less true when nobody wants the entry any more. */
void bridge_mdb_take_over(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	_cleanup_free_ struct step **taken = NULL;
	size_t taken_count = 0, room = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_taken(steps[i]))
			continue;
		steps[i]->error = 0;
		err_done(&steps[i]->err);
		steps[i]->err = (struct err){ 0 };
		steps[i]->is_done = false;
		(void)encode(batch, steps[i], NLM_F_REPLACE); /* as before */
		ARRAY_GROW(taken, taken_count, room);
		taken[taken_count++] = steps[i];
	}
	nl_batch_flush(batch);
	for (size_t i = 0; i < taken_count; i++) {
		struct bridge_mdb *mdb =
			have_get(have_all(), &object_kind_bridge_mdb, taken[i]->want->key);

		if (mdb)
			mdb->was_learned = true;
	}
}

static const char *mdb_explain(const struct step *step, int error)
{
	switch (error) {
	case EINVAL:
		return "the kernel does not take this group on this port";
	case ENODEV:
		return "the port or its bridge does not exist";
	case EOPNOTSUPP:
		return "this kernel has no multicast snooping (CONFIG_BRIDGE_IGMP_SNOOPING)";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

/* One group of a port; false: of the bridge itself, for some senders only, or nothing of ours. */
static bool parse(
	struct nl *nl, const char *bridge, const struct nlattr *info, struct bridge_mdb *mdb)
{
	struct br_mdb_entry entry;
	const struct nlattr *attr;
	const char *port;
	int left;

	if (mnl_attr_get_payload_len(info) < sizeof(entry))
		return false;
	memcpy(&entry, mnl_attr_get_payload(info), sizeof(entry));
	port = nl_name_of(nl, entry.ifindex);
	if (!port || str_equal(port, bridge))
		return false;
	snprintf(mdb->bridge, sizeof(mdb->bridge), "%s", bridge);
	snprintf(mdb->port, sizeof(mdb->port), "%s", port);
	mdb->vid = entry.vid;
	mdb->is_permanent = entry.state & MDB_PERMANENT;
	mdb->family = entry.addr.proto == htons(ETH_P_IP) ? AF_INET
		: entry.addr.proto			  ? AF_INET6
							  : AF_PACKET;
	memcpy(mdb->group, &entry.addr.u, group_size(mdb->family));
	attr = (const struct nlattr *)((const char *)mnl_attr_get_payload(info) +
		MNL_ALIGN(sizeof(entry)));
	left = (int)mnl_attr_get_payload_len(info) - (int)MNL_ALIGN(sizeof(entry));
	for (; mnl_attr_ok(attr, left);
		left -= MNL_ALIGN(attr->nla_len), attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) == MDBA_MDB_EATTR_SOURCE)
			return false;
		if (mnl_attr_get_type(attr) == MDBA_MDB_EATTR_RTPROT)
			mdb->is_ours = nl_number(attr) == KERNEL_PROTOCOL;
	}
	return true;
}

static void put(struct nl *nl, const char *key, const struct bridge_mdb *parsed)
{
	struct bridge_mdb *mdb = object_new(&object_kind_bridge_mdb, key);
	struct object object = mdb->object;

	*mdb = *parsed;
	mdb->object = object;
	watch_put(nl, &mdb->object);
}

static void group_seen(struct nl *nl, const struct bridge_mdb *parsed, bool is_gone)
{
	char key[BRIDGE_MDB_KEY_MAX];
	const struct bridge_mdb *have, *want;

	bridge_mdb_key(
		key, parsed->bridge, parsed->vid, parsed->port, parsed->family, parsed->group);
	have = have_get(have_all(), &object_kind_bridge_mdb, key);
	want = (const struct bridge_mdb *)state_wanted(&object_kind_bridge_mdb, key);
	if (!is_gone && (parsed->is_ours || parsed->is_permanent)) {
		struct bridge_mdb now = *parsed;

		now.was_learned = have && have->was_learned;
		put(nl, key, &now);
	} else if (is_gone && have && !have->is_permanent && want && !want->is_permanent) {
		struct bridge_mdb aged = *have;

		aged.has_aged = true;
		put(nl, key, &aged);
	} else if (have && !have->has_aged) {
		have_remove(&object_kind_bridge_mdb, key);
	}
}

/* Calls back for each group in a message. */
static void each_group(struct nl *nl, const struct nlmsghdr *nlh,
	void (*take)(struct nl *nl, const struct bridge_mdb *parsed, bool is_gone))
{
	const struct br_port_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *entry, *info;
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return;
	name = nl_name_of(nl, msg->ifindex);
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (!name || mnl_attr_get_type(attr) != MDBA_MDB)
			continue;
		mnl_attr_for_each_nested (entry, attr) {
			mnl_attr_for_each_nested (info, entry) {
				struct bridge_mdb parsed = { .vid = 0 };

				if (mnl_attr_get_type(info) == MDBA_MDB_ENTRY_INFO &&
					parse(nl, name, info, &parsed))
					take(nl, &parsed, nlh->nlmsg_type == RTM_DELMDB);
			}
		}
	}
}

static void mdb_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	each_group(nl, nlh, group_seen);
}

static int ask(struct nl *nl, nl_reply_fn take)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct br_port_msg *msg;
	int r;

	nlh->nlmsg_type = RTM_GETMDB;
	nlh->nlmsg_flags = NLM_F_DUMP;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->family = AF_BRIDGE;
	r = nl_request(nl, nlh, take, nl);
	return r == -EOPNOTSUPP ? 0 : r; /* no snooping in this kernel */
}

static int take_group(const struct nlmsghdr *nlh, void *arg)
{
	mdb_seen(arg, nlh, false);
	return 0;
}

static int mdb_dump(struct nl *nl, struct err *err)
{
	int r = ask(nl, take_group);

	return r < 0 ? err_set(err, r, NULL, "reading multicast groups: %s", strerror(-r)) : 0;
}

void bridge_mdb_link_gone(const char *name)
{
	void *const *objects;
	size_t count;

	while ((count = have_group(have_all(), &object_kind_bridge_mdb, name, &objects)))
		have_remove(
			&object_kind_bridge_mdb, ((const struct object *)objects[count - 1])->key);
}

/* --- what was learned ------------------------------------------------------------------------- */

void bridge_mdb_forget_learned(void)
{
	struct learned *of;
	size_t at = 0;

	while ((of = map_next(&learned, &at))) {
		free(of->items);
		free(of->routers);
		free(of);
	}
	map_done(&learned);
	memset(&learned, 0, sizeof(learned));
}

static struct learned *learned_of(const char *bridge)
{
	struct learned *of = map_get_str(&learned, bridge);

	if (of)
		return of;
	of = XNEW(struct learned);
	snprintf(of->bridge, sizeof(of->bridge), "%s", bridge);
	map_put_str(&learned, of->bridge, of);
	return of;
}

static void learn_group(struct nl *nl, const struct bridge_mdb *parsed, bool is_gone)
{
	struct learned *of = learned_of(parsed->bridge);

	ARRAY_GROW(of->items, of->count, of->room);
	of->items[of->count++] = *parsed;
}

void bridge_mdb_take_routers(
	struct nl *nl, const char *bridge, uint16_t vid, const struct nlattr *routers)
{
	struct learned *of = learned_of(bridge);
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, routers) {
		uint32_t ifindex;
		const char *port;

		if (mnl_attr_get_type(attr) != MDBA_ROUTER_PORT ||
			mnl_attr_get_payload_len(attr) < sizeof(ifindex))
			continue;
		memcpy(&ifindex, mnl_attr_get_payload(attr), sizeof(ifindex));
		port = nl_name_of(nl, ifindex);
		if (!port)
			continue;
		ARRAY_GROW(of->routers, of->router_count, of->router_room);
		of->routers[of->router_count].vid = vid;
		snprintf(of->routers[of->router_count++].port, KERNEL_NAME_MAX, "%s", port);
	}
}

static int take_learned(const struct nlmsghdr *nlh, void *arg)
{
	const struct br_port_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	const char *name;

	if (nlh->nlmsg_type != RTM_GETMDB && nlh->nlmsg_type != RTM_NEWMDB)
		return 0;
	each_group(arg, nlh, learn_group);
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return 0;
	name = nl_name_of(arg, msg->ifindex);
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (name && mnl_attr_get_type(attr) == MDBA_ROUTER)
			bridge_mdb_take_routers(arg, name, 0, attr);
	}
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct bridge_mdb *p = a, *q = b;
	int order = (int)p->vid - (int)q->vid;

	if (!order)
		order = (int)p->family - (int)q->family;
	if (!order)
		order = memcmp(p->group, q->group, sizeof(p->group));
	return order ? order : strcmp(p->port, q->port);
}

/* One dump tells of all bridges. */
static int mdb_refresh(const char *key, struct err *err)
{
	const struct link *link = key ? have_get(have_all(), &object_kind_link, key) : NULL;
	struct learned *of;
	struct nl *nl;
	size_t at = 0;
	int r = 0;

	if (kernel_is_recording() || (link && link->kind != &link_kind_bridge))
		return 0;
	bridge_mdb_forget_learned();
	for (size_t i = 0; r == 0 && (nl = nl_at(i)); i++) {
		r = ask(nl, take_learned);
		if (r == 0)
			r = bridge_multicast_ask_routers(nl);
	}
	while ((of = map_next(&learned, &at))) {
		if (of->count)
			qsort(of->items, of->count, sizeof(*of->items), compare_items);
	}
	return r < 0 ? err_set(err, r, NULL, "reading multicast groups: %s", strerror(-r)) : 0;
}

size_t bridge_mdb_learned(const char *bridge, uint16_t vid, const struct bridge_mdb **ret_items)
{
	const struct learned *of = map_get_str(&learned, bridge);
	size_t low = 0, high = of ? of->count : 0, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (of->items[middle].vid < vid)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; of && end < of->count && of->items[end].vid == vid; end++)
		;
	*ret_items = of && of->items ? of->items + low : NULL;
	return end - low;
}

const char *bridge_mdb_router(const char *bridge, uint16_t vid, size_t *at)
{
	const struct learned *of = map_get_str(&learned, bridge);

	while (of && *at < of->router_count) {
		const struct router *router = &of->routers[(*at)++];

		if (router->vid == vid)
			return router->port;
	}
	return NULL;
}

/* --- tables ------------------------------------------------------------------------------------ */

const struct object_kind object_kind_bridge_mdb = {
	.name = "bridge-mdb",
	.rank = KERNEL_RANK_BRIDGE_MDB,
	.size = sizeof(struct bridge_mdb),
	.target = &kernel_target,
	.compare = mdb_compare,
	.describe = mdb_describe,
	.owner = mdb_owner,
	.groups = mdb_groups,
	.refresh = mdb_refresh,
};

static const uint16_t types[] = { RTM_NEWMDB, RTM_DELMDB, 0 };

const struct nl_object bridge_mdb_object = {
	.kind = &object_kind_bridge_mdb,
	.encode = mdb_encode,
	.types = types,
	.seen = mdb_seen,
	.dump = mdb_dump,
	.explain = mdb_explain,
};
