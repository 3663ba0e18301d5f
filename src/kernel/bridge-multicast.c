/*
 * Multicast snooping and the querier of each VLAN of a bridge. A VLAN has such settings for as long as it has
 * members, and begins with the kernel's own; they count while the bridge is set to snoop on each VLAN by
 * itself, and only then they are looked at. Neighbours with equal settings are sent and told of as ranges.
 */
#include <errno.h>
#include <linux/if_bridge.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define CLOCK_HZ 100 /* USER_HZ, the unit of the kernel's intervals */
#define VID_MAX	 4094

#define ROBUSTNESS                                                                                 \
	2 /* queries or reports that may be lost: what RFC 3376 and the kernel begin with */
#define RESPONSE_S 10 /* in which a query is answered, likewise */

/* Sections 8.4 to 8.6 of RFC 3376, 9.4 to 9.6 of RFC 3810. */
struct multicast_intervals multicast_intervals(uint16_t query_s)
{
	return (struct multicast_intervals){
		.query = query_s,
		.membership = (uint16_t)(ROBUSTNESS * query_s + RESPONSE_S),
		.other_querier = (uint16_t)(ROBUSTNESS * query_s + RESPONSE_S / 2),
		.startup_hundredths = (uint16_t)(query_s < 4 ? CLOCK_HZ : query_s * CLOCK_HZ / 4),
	};
}

uint16_t multicast_startup_told(uint64_t seen)
{
	return (uint16_t)(seen % (CLOCK_HZ / 4) == CLOCK_HZ / 4 - 1 ? seen + 1 : seen);
}

/* What a VLAN begins with. */
static struct bridge_multicast fresh(void)
{
	return (struct bridge_multicast){
		.snooping = true,
		.intervals = multicast_intervals(MULTICAST_QUERY_S),
	};
}

static enum object_diff multicast_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct bridge_multicast *a = (const struct bridge_multicast *)want;
	const struct bridge_multicast *b = (const struct bridge_multicast *)have;

	return a->snooping == b->snooping && a->querier == b->querier &&
			!memcmp(&a->intervals, &b->intervals, sizeof(a->intervals))
		? OBJECT_SAME
		: OBJECT_CHANGE;
}

static void multicast_describe(const struct object *object, char *text, size_t size)
{
	const struct bridge_multicast *of = (const struct bridge_multicast *)object;

	snprintf(text, size, "multicast in VLAN %u of %s", of->vid, of->bridge);
}

static int multicast_order(const struct object *x, const struct object *y)
{
	const struct bridge_multicast *a = (const struct bridge_multicast *)x,
				      *b = (const struct bridge_multicast *)y;
	int r = strcmp(a->bridge, b->bridge);

	return r ? r : (a->vid > b->vid) - (a->vid < b->vid);
}

static size_t multicast_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct bridge_multicast *)have)->bridge;
	return 1;
}

const struct object_kind object_kind_bridge_multicast = {
	.name = "bridge-multicast",
	.rank = KERNEL_RANK_BRIDGE_MULTICAST,
	.size = sizeof(struct bridge_multicast),
	.target = &kernel_target,
	.compare = multicast_compare,
	.order = multicast_order,
	.describe = multicast_describe,
	.groups = multicast_groups,
};

/* --- writing ---------------------------------------------------------------------------------- */

static const struct bridge_multicast *settings_of(const struct step *step)
{
	return (const struct bridge_multicast *)(step->want ? step->want : step->have);
}

/* How many of the steps make one range. */
static size_t run_length(struct step *const *steps, size_t count)
{
	const struct bridge_multicast *first = settings_of(steps[0]);
	size_t n = 1;

	for (; n < count; n++) {
		const struct object *object = steps[n]->want ? steps[n]->want : steps[n]->have;
		const struct bridge_multicast *of = (const struct bridge_multicast *)object;

		if (object->kind != &object_kind_bridge_multicast ||
			(steps[n]->op == STEP_REMOVE) != (steps[0]->op == STEP_REMOVE) ||
			!str_equal(of->bridge, first->bridge) || of->vid != first->vid + n)
			break;
		if (steps[n]->op != STEP_REMOVE &&
			multicast_compare(object, NULL, &first->object) != OBJECT_SAME)
			break;
	}
	return n;
}

static void put_intervals(struct nlmsghdr *nlh, const struct multicast_intervals *intervals)
{
	const struct {
		uint16_t attribute;
		uint64_t value;
	} values[] = {
		{ BRIDGE_VLANDB_GOPTS_MCAST_QUERY_INTVL, intervals->query * CLOCK_HZ },
		{ BRIDGE_VLANDB_GOPTS_MCAST_MEMBERSHIP_INTVL, intervals->membership * CLOCK_HZ },
		{ BRIDGE_VLANDB_GOPTS_MCAST_QUERIER_INTVL, intervals->other_querier * CLOCK_HZ },
		{ BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_INTVL, intervals->startup_hundredths },
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		mnl_attr_put_u64(nlh, values[i].attribute, values[i].value);
}

static size_t multicast_encode(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	const struct bridge_multicast *first = settings_of(steps[0]);
	bool removes = steps[0]->op == STEP_REMOVE;
	struct bridge_multicast value = removes ? fresh() : *first;
	size_t n = run_length(steps, count);
	struct nl *nl;
	uint32_t ifindex = link_index(first->bridge, &nl);
	struct br_vlan_msg *msg;
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	if (!ifindex) {
		if (!removes)
			steps[0]->error = err_set(
				&steps[0]->err, -ENODEV, NULL, "%s does not exist", first->bridge);
		return 1;
	}
	nlh = nl_batch_begin(batch, nl, RTM_NEWVLAN, 0, steps[0], removes ? NL_ANY_ERROR : 0);
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->family = AF_BRIDGE;
	msg->ifindex = ifindex;
	nest = mnl_attr_nest_start(nlh, BRIDGE_VLANDB_GLOBAL_OPTIONS);
	mnl_attr_put_u16(nlh, BRIDGE_VLANDB_GOPTS_ID, first->vid);
	if (n > 1)
		mnl_attr_put_u16(nlh, BRIDGE_VLANDB_GOPTS_RANGE, (uint16_t)(first->vid + n - 1));
	mnl_attr_put_u8(nlh, BRIDGE_VLANDB_GOPTS_MCAST_SNOOPING, value.snooping);
	mnl_attr_put_u8(nlh, BRIDGE_VLANDB_GOPTS_MCAST_QUERIER, value.querier);
	put_intervals(nlh, &value.intervals);
	mnl_attr_nest_end(nlh, nest);
	for (size_t i = 1; i < n; i++)
		steps[i]->is_done = true; /* setting what is there again is no error */
	nl_batch_end(batch);
	return n;
}

static const char *multicast_explain(const struct step *step, int error)
{
	switch (error) {
	case EOPNOTSUPP:
	case EINVAL:
		return "this kernel cannot snoop on each VLAN by itself";
	case ENOENT:
		return "nobody is in the VLAN";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

static void put(struct nl *nl, const char *bridge, uint16_t vid, const struct bridge_multicast *of)
{
	char key[BRIDGE_VLAN_KEY_MAX];
	struct bridge_multicast *seen;

	bridge_vlan_key(key, bridge, vid);
	seen = object_new(&object_kind_bridge_multicast, key);
	snprintf(seen->bridge, sizeof(seen->bridge), "%s", bridge);
	seen->vid = vid;
	seen->snooping = of->snooping;
	seen->querier = of->querier;
	seen->intervals = of->intervals;
	watch_put(nl, &seen->object);
}

static void options_seen(struct nl *nl, const char *bridge, const struct nlattr *options)
{
	struct bridge_multicast found = fresh();
	const struct nlattr *attr;
	uint16_t first = 0, last = 0;

	mnl_attr_for_each_nested (attr, options) {
		uint64_t value = nl_number(attr);

		switch (mnl_attr_get_type(attr)) {
		case BRIDGE_VLANDB_GOPTS_ID:
			first = (uint16_t)value;
			break;
		case BRIDGE_VLANDB_GOPTS_RANGE:
			last = (uint16_t)value;
			break;
		case BRIDGE_VLANDB_GOPTS_MCAST_SNOOPING:
			found.snooping = value;
			break;
		case BRIDGE_VLANDB_GOPTS_MCAST_QUERIER:
			found.querier = value;
			break;
		case BRIDGE_VLANDB_GOPTS_MCAST_QUERY_INTVL:
			found.intervals.query = (uint16_t)(value / CLOCK_HZ);
			break;
		case BRIDGE_VLANDB_GOPTS_MCAST_MEMBERSHIP_INTVL:
			found.intervals.membership = (uint16_t)(value / CLOCK_HZ);
			break;
		case BRIDGE_VLANDB_GOPTS_MCAST_QUERIER_INTVL:
			found.intervals.other_querier = (uint16_t)(value / CLOCK_HZ);
			break;
		case BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_INTVL:
			found.intervals.startup_hundredths = multicast_startup_told(value);
			break;
		}
	}
	if (!first || first > VID_MAX || last > VID_MAX)
		return;
	for (uint16_t vid = first; vid <= (last ? last : first); vid++)
		put(nl, bridge, vid, &found);
}

void bridge_multicast_left(const char *bridge, uint16_t vid)
{
	char key[BRIDGE_VLAN_KEY_MAX];

	if (bridge_vlan_has_members(bridge, vid))
		return;
	bridge_vlan_key(key, bridge, vid);
	have_remove(&object_kind_bridge_multicast, key);
}

/* Somebody has joined the VLANs, or left them: only that tells that a VLAN has come or gone. */
static void members_seen(
	struct nl *nl, const char *bridge, const struct nlattr *entry, bool is_gone)
{
	const struct bridge_multicast first = fresh();
	struct bridge_vlan_info info = { 0 };
	const struct nlattr *attr;
	uint16_t last = 0;

	mnl_attr_for_each_nested (attr, entry) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == BRIDGE_VLANDB_ENTRY_INFO &&
			mnl_attr_get_payload_len(attr) >= sizeof(info))
			memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		else if (type == BRIDGE_VLANDB_ENTRY_RANGE)
			last = (uint16_t)nl_number(attr);
	}
	if (!info.vid || info.vid > VID_MAX || last > VID_MAX)
		return;
	for (uint16_t vid = info.vid; vid <= (last ? last : info.vid); vid++) {
		char key[BRIDGE_VLAN_KEY_MAX];

		bridge_vlan_key(key, bridge, vid);
		if (is_gone)
			bridge_multicast_left(bridge, vid);
		else if (!have_get(have_all(), &object_kind_bridge_multicast, key))
			put(nl, bridge, vid, &first);
	}
}

static void multicast_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	const struct br_vlan_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct link *link, *bridge;
	const struct nlattr *attr;
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return;
	name = nl_name_of(nl, msg->ifindex);
	link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	bridge = link && *link->master ? have_get(have_all(), &object_kind_link, link->master)
				       : link;
	if (!bridge || bridge->kind != &link_kind_bridge || !bridge->bridge.multicast_by_vlan)
		return;
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (mnl_attr_get_type(attr) == BRIDGE_VLANDB_GLOBAL_OPTIONS)
			options_seen(nl, bridge->object.key, attr);
		else if (is_event && mnl_attr_get_type(attr) == BRIDGE_VLANDB_ENTRY)
			members_seen(nl, bridge->object.key, attr, nlh->nlmsg_type == RTM_DELVLAN);
	}
}

/* Of all VLANs of a bridge, or of all bridges (0). */
static int ask(struct nl *nl, uint32_t ifindex, nl_reply_fn take)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct br_vlan_msg *msg;
	int r;

	nlh->nlmsg_type = RTM_GETVLAN;
	nlh->nlmsg_flags = NLM_F_DUMP;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->family = AF_BRIDGE;
	msg->ifindex = ifindex;
	mnl_attr_put_u32(nlh, BRIDGE_VLANDB_DUMP_FLAGS, BRIDGE_VLANDB_DUMPF_GLOBAL);
	r = nl_request(nl, nlh, take, nl);
	/* A kernel without VLAN filtering, or (before 5.15) without this. */
	return r == -EOPNOTSUPP || r == -EINVAL ? 0 : r;
}

static int take_options(const struct nlmsghdr *nlh, void *arg)
{
	multicast_seen(arg, nlh, false);
	return 0;
}

static bool any_by_vlan(void)
{
	const struct link *link;
	size_t at = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if (link->kind == &link_kind_bridge && link->bridge.multicast_by_vlan)
			return true;
	}
	return false;
}

static void take_routers(struct nl *nl, const char *bridge, const struct nlattr *options)
{
	const struct nlattr *attr, *routers = NULL, *list;
	uint16_t vid = 0;

	mnl_attr_for_each_nested (attr, options) {
		if (mnl_attr_get_type(attr) == BRIDGE_VLANDB_GOPTS_ID)
			vid = (uint16_t)nl_number(attr);
		else if (mnl_attr_get_type(attr) == BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS)
			routers = attr;
	}
	if (!routers)
		return;
	mnl_attr_for_each_nested (list, routers)
		bridge_mdb_take_routers(nl, bridge, vid, list);
}

static int take_all_routers(const struct nlmsghdr *nlh, void *arg)
{
	const struct br_vlan_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return 0;
	name = nl_name_of(arg, msg->ifindex);
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (name && mnl_attr_get_type(attr) == BRIDGE_VLANDB_GLOBAL_OPTIONS)
			take_routers(arg, name, attr);
	}
	return 0;
}

int bridge_multicast_ask_routers(struct nl *nl)
{
	return any_by_vlan() ? ask(nl, 0, take_all_routers) : 0;
}

static int multicast_dump(struct nl *nl, struct err *err)
{
	int r = any_by_vlan() ? ask(nl, 0, take_options) : 0;

	return r < 0 ? err_set(err, r, NULL, "reading multicast settings: %s", strerror(-r)) : 0;
}

void bridge_multicast_link_gone(const char *name)
{
	void *const *objects;
	size_t count;

	while ((count = have_group(have_all(), &object_kind_bridge_multicast, name, &objects)))
		have_remove(&object_kind_bridge_multicast,
			((const struct object *)objects[count - 1])->key);
}

void bridge_multicast_seen_link(struct nl *nl, const struct link *link, bool was_by_vlan)
{
	bool is_by_vlan = link->kind == &link_kind_bridge && link->bridge.multicast_by_vlan;
	int r;

	if (was_by_vlan && !is_by_vlan)
		bridge_multicast_link_gone(link->object.key);
	if (was_by_vlan || !is_by_vlan)
		return;
	r = ask(nl, link->ifindex, take_options);
	if (r < 0) /* the next dump makes good for it */
		log_debug("bridge-multicast", "%s", strerror(-r));
}

static const uint16_t types[] = { RTM_NEWVLAN, RTM_DELVLAN, 0 };

const struct nl_object bridge_multicast_object = {
	.kind = &object_kind_bridge_multicast,
	.encode_run = multicast_encode,
	.types = types,
	.seen = multicast_seen,
	.dump = multicast_dump,
	.explain = multicast_explain,
};
