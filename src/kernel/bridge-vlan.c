/*
 * VLANs of bridge ports and of the bridge itself (for its own traffic). One object a link and VLAN;
 * neighbours with equal flags are sent and told of as ranges, and all that a link gets or loses goes into one
 * message, as far as there is room. A port VLAN ID is never part of a range.
 *
 * Adding comes before removing, and a new port VLAN ID before anything else: setting it takes the flag from
 * the old one in the same step, so the port is never without.
 */
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define FLUSH_FROM	 32 /* VLANs that a port loses */
#define ROOM_FOR_RANGE	 16 /* bytes: two attributes */
#define ROUTER_AUTO	 1
#define ROUTER_PERMANENT 2

void bridge_vlan_key(char *key, const char *link, uint16_t vid)
{
	snprintf(key, BRIDGE_VLAN_KEY_MAX, "%s %u", link, vid);
}

/* One that was heard of for a while is still the same setting. */
static uint8_t router_of(const struct bridge_vlan *vlan)
{
	return vlan->multicast_router > ROUTER_PERMANENT ? ROUTER_AUTO : vlan->multicast_router;
}

static enum object_diff bridge_vlan_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct bridge_vlan *a = (const struct bridge_vlan *)want;
	const struct bridge_vlan *b = (const struct bridge_vlan *)have;

	return a->is_untagged == b->is_untagged && a->is_pvid == b->is_pvid &&
			router_of(a) == router_of(b)
		? OBJECT_SAME
		: OBJECT_CHANGE;
}

static void bridge_vlan_describe(const struct object *object, char *text, size_t size)
{
	const struct bridge_vlan *vlan = (const struct bridge_vlan *)object;

	snprintf(text, size, "VLAN %u on %s", vlan->vid, vlan->link);
}

static int bridge_vlan_order(const struct object *x, const struct object *y)
{
	const struct bridge_vlan *a = (const struct bridge_vlan *)x,
				 *b = (const struct bridge_vlan *)y;
	int r = strcmp(a->link, b->link);

	if (r)
		return r;
	if (a->is_pvid != b->is_pvid)
		return a->is_pvid ? -1 : 1;
	return (a->vid > b->vid) - (a->vid < b->vid);
}

static size_t bridge_vlan_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct bridge_vlan *)have)->link;
	return 1;
}

/* The VLANs in a bridge of ours are ours. */
static enum object_owner bridge_vlan_owner(const struct object *have)
{
	const struct bridge_vlan *vlan = (const struct bridge_vlan *)have;
	const struct link *link = have_get(have_all(), &object_kind_link, vlan->link);

	if (link && *link->master)
		link = have_get(have_all(), &object_kind_link, link->master);
	return link && link_is_made(link) ? OBJECT_OURS : OBJECT_FOREIGN;
}

/* The bridge that the link is a port of, or is. */
static const char *bridge_of(const struct link *link)
{
	return link && *link->master ? link->master : link ? link->object.key : "";
}

/*
 * A VLAN of a bridge: who leaves it goes before others join, or both would be in it for a moment. First of all
 * goes who is less kept apart, or whose tags get another meaning, from now on.
 */
static uint64_t bridge_vlan_place(const struct object *object)
{
	const struct bridge_vlan *vlan = (const struct bridge_vlan *)object;
	const struct link *have = have_get(have_all(), &object_kind_link, vlan->link);
	const struct link *want = (const struct link *)state_wanted(&object_kind_link, vlan->link);
	const char *bridge = bridge_of(object->want ? want : have);
	const struct link *wanted, *seen;

	if (!object->want && have && want) {
		wanted = (const struct link *)state_wanted(&object_kind_link, bridge);
		seen = have_get(have_all(), &object_kind_link, bridge);
		if (link_port_differences(&want->port, &have->port) ||
			(wanted && seen &&
				wanted->bridge.vlan_protocol != seen->bridge.vlan_protocol))
			return 0;
	}
	return (uint64_t)map_hash(bridge, strlen(bridge)) << 16 | vlan->vid;
}

const struct object_kind object_kind_bridge_vlan = {
	.name = "bridge-vlan",
	.rank = KERNEL_RANK_BRIDGE_VLAN,
	.size = sizeof(struct bridge_vlan),
	.target = &kernel_target,
	.compare = bridge_vlan_compare,
	.order = bridge_vlan_order,
	.place = bridge_vlan_place,
	.is_removed_last = true,
	.describe = bridge_vlan_describe,
	.owner = bridge_vlan_owner,
	.groups = bridge_vlan_groups,
};

/* --- writing ---------------------------------------------------------------------------------- */

static const struct bridge_vlan *vlan_of(const struct step *step)
{
	return (const struct bridge_vlan *)(step->want ? step->want : step->have);
}

static bool is_vlan_step(const struct step *step)
{
	return (step->want ? step->want : step->have)->kind == &object_kind_bridge_vlan;
}

/* How many of the steps, which are one link's, make one range. */
static size_t run_length(struct step *const *steps, size_t count)
{
	const struct bridge_vlan *first = vlan_of(steps[0]);
	bool removes = steps[0]->op == STEP_REMOVE;
	size_t n = 1;

	if (first->is_pvid && !removes)
		return 1;
	for (; n < count; n++) {
		const struct bridge_vlan *vlan = vlan_of(steps[n]);

		if (vlan->vid != first->vid + n)
			break;
		if (!removes && (vlan->is_pvid || vlan->is_untagged != first->is_untagged))
			break;
	}
	return n;
}

/* How many of the steps are those of the first one's link, and go the same way. */
static size_t of_one_link(struct step *const *steps, size_t count)
{
	size_t n = 1;

	while (n < count && is_vlan_step(steps[n]) &&
		(steps[n]->op == STEP_REMOVE) == (steps[0]->op == STEP_REMOVE) &&
		str_equal(vlan_of(steps[n])->link, vlan_of(steps[0])->link))
		n++;
	return n;
}

static void put_vlan(struct nlmsghdr *nlh, uint16_t vid, uint16_t flags)
{
	struct bridge_vlan_info info = { .flags = flags, .vid = vid };

	mnl_attr_put(nlh, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
}

static bool is_bridge(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);

	if (!link)
		link = (const struct link *)state_wanted(&object_kind_link, name);
	return link && link->kind == &link_kind_bridge;
}

/* Do the steps from @steps on remove all VLANs that the link has? *ret_n: those of this link. */
static bool removes_all(struct step *const *steps, size_t count, size_t *ret_n)
{
	const char *name = vlan_of(steps[0])->link;
	void *const *all;
	size_t n = 0;

	while (n < count && steps[n]->op == STEP_REMOVE &&
		steps[n]->have->kind == &object_kind_bridge_vlan &&
		str_equal(vlan_of(steps[n])->link, name))
		n++;
	*ret_n = n;
	return n == have_group(have_all(), &object_kind_bridge_vlan, name, &all);
}

/* The last removal of those whose ports were looked at for flush_own_addresses(); NULL: none to come. */
static const struct step *last_flushed;

/*
 * For each VLAN that leaves a port, the kernel walks the whole forwarding database, which holds the port's
 * own address once a VLAN: a port that loses many gives those up first, and all such ports before the first
 * VLAN goes. A kernel that cannot (before 5.19) takes longer.
 */
static void flush_own_addresses(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	size_t i, n;

	if (nl_batch_mark(batch))
		return; /* those of this call were looked at */
	for (i = 0; i < count && is_vlan_step(steps[i]) && steps[i]->op == STEP_REMOVE; i++) {
		if (steps[i] == last_flushed)
			return; /* by a call before */
	}
	last_flushed = steps[i - 1];
	for (i = 0; i < count && is_vlan_step(steps[i]) && steps[i]->op == STEP_REMOVE; i += n) {
		bool all = removes_all(steps + i, count - i, &n);
		struct nl *nl;
		uint32_t ifindex = link_index(vlan_of(steps[i])->link, &nl);
		struct nlmsghdr *nlh;
		struct ndmsg *ndm;

		if (!all || n < FLUSH_FROM || !ifindex)
			continue;
		nlh = nl_batch_begin(batch, nl, RTM_DELNEIGH, NLM_F_BULK, steps[i], NL_ANY_ERROR);
		ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
		ndm->ndm_family = AF_BRIDGE;
		ndm->ndm_ifindex = (int)ifindex;
		ndm->ndm_flags = NTF_MASTER;
		ndm->ndm_state = NUD_PERMANENT;
		mnl_attr_put_u16(nlh, NDA_NDM_STATE_MASK, NUD_PERMANENT);
		nl_batch_end(batch);
	}
}

/* The ranges that the steps make, as far as they have room in the message; how many steps that are. */
static size_t put_vlans(struct nlmsghdr *nlh, struct step *const *steps, size_t count)
{
	size_t done = 0;

	while (done < count && nlh->nlmsg_len + ROOM_FOR_RANGE <= NL_MESSAGE_BYTES) {
		const struct bridge_vlan *vlan = vlan_of(steps[done]);
		size_t n = run_length(steps + done, count - done);
		uint16_t flags = 0;

		if (steps[done]->op != STEP_REMOVE)
			flags = (vlan->is_untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0) |
				(vlan->is_pvid ? BRIDGE_VLAN_INFO_PVID : 0);
		if (n == 1) {
			put_vlan(nlh, vlan->vid, flags);
		} else {
			put_vlan(nlh, vlan->vid, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
			put_vlan(nlh, (uint16_t)(vlan->vid + n - 1),
				flags | BRIDGE_VLAN_INFO_RANGE_END);
		}
		done += n;
	}
	return done;
}

static uint8_t router_of_step(const struct step *step)
{
	return step->have ? router_of((const struct bridge_vlan *)step->have) : ROUTER_AUTO;
}

static void put_router(struct nl_batch *batch, struct nl *nl, uint32_t ifindex, struct step *step,
	const struct bridge_vlan *vlan, size_t count)
{
	struct bridge_vlan_info info = { .flags = BRIDGE_VLAN_INFO_ONLY_OPTS, .vid = vlan->vid };
	struct nlmsghdr *nlh = nl_batch_begin(batch, nl, RTM_NEWVLAN, 0, step, 0);
	struct br_vlan_msg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	struct nlattr *entry = mnl_attr_nest_start(nlh, BRIDGE_VLANDB_ENTRY);

	msg->family = AF_BRIDGE;
	msg->ifindex = ifindex;
	mnl_attr_put(nlh, BRIDGE_VLANDB_ENTRY_INFO, sizeof(info), &info);
	if (count > 1)
		mnl_attr_put_u16(nlh, BRIDGE_VLANDB_ENTRY_RANGE, (uint16_t)(vlan->vid + count - 1));
	mnl_attr_put_u8(nlh, BRIDGE_VLANDB_ENTRY_MCAST_ROUTER, router_of(vlan));
	mnl_attr_nest_end(nlh, entry);
	nl_batch_end(batch);
}

/* Of multicast routers only other messages speak: those of the steps that change one, in ranges. */
static void put_routers(struct nl_batch *batch, struct nl *nl, uint32_t ifindex,
	struct step *const *steps, size_t count)
{
	size_t n;

	for (size_t i = 0; i < count && steps[i]->op != STEP_REMOVE; i += n) {
		const struct bridge_vlan *first = vlan_of(steps[i]);

		for (n = 1; i + n < count; n++) {
			const struct bridge_vlan *vlan = vlan_of(steps[i + n]);

			if (vlan->vid != first->vid + n || router_of(vlan) != router_of(first) ||
				router_of_step(steps[i + n]) != router_of_step(steps[i]))
				break;
		}
		if (router_of(first) != router_of_step(steps[i]))
			put_router(batch, nl, ifindex, steps[0], first, n);
	}
}

static size_t bridge_vlan_encode(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	const char *name = vlan_of(steps[0])->link;
	bool removes = steps[0]->op == STEP_REMOVE;
	struct nl *nl;
	uint32_t ifindex = link_index(name, &nl);
	struct nlmsghdr *nlh;
	struct ifinfomsg *ifi;
	struct nlattr *spec;
	size_t n;

	if (!ifindex) {
		if (!removes)
			steps[0]->error =
				err_set(&steps[0]->err, -ENODEV, NULL, "%s does not exist", name);
		return 1;
	}
	if (removes)
		flush_own_addresses(batch, steps, count);
	/* A port that has left its bridge in this batch has lost its VLANs: EOPNOTSUPP. */
	nlh = nl_batch_begin(batch, nl, removes ? RTM_DELLINK : RTM_SETLINK, 0, steps[0],
		removes ? EOPNOTSUPP : 0);
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_BRIDGE;
	ifi->ifi_index = (int)ifindex;
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	if (is_bridge(name))
		mnl_attr_put_u16(nlh, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
	n = put_vlans(nlh, steps, of_one_link(steps, count));
	mnl_attr_nest_end(nlh, spec);
	if (steps[n - 1] == last_flushed)
		last_flushed = NULL; /* another one may stand at its address */
	for (size_t i = 1; i < n; i++)
		steps[i]->is_done = true; /* taking back what is not there is no error */
	nl_batch_end(batch);
	put_routers(batch, nl, ifindex, steps, n);
	return n;
}

static bool is_as_asked(const struct step *step)
{
	const struct object *object = step->want ? step->want : step->have;
	const struct object *have = have_get(have_all(), object->kind, object->key);

	return step->op == STEP_REMOVE
		? !have
		: have && bridge_vlan_compare(object, NULL, have) == OBJECT_SAME;
}

size_t bridge_vlan_failed(struct step *const *steps, size_t count, size_t *ret_rest)
{
	size_t n = of_one_link(steps, count), at = 0;

	while (at + 1 < n && is_as_asked(steps[at]))
		at++;
	if (at) {
		steps[at]->error = steps[0]->error;
		err_move(&steps[at]->err, &steps[0]->err);
		steps[0]->error = 0;
	}
	*ret_rest = 0;
	for (size_t i = at + 1; i < n && !*ret_rest; i++) {
		if (!is_as_asked(steps[i]))
			*ret_rest = n - at - 1;
	}
	return at;
}

static const char *bridge_vlan_explain(const struct step *step, int error)
{
	switch (error) {
	case EOPNOTSUPP:
		return "this kernel has no bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)";
	case EINVAL:
		return "the interface is no port of a VLAN-aware bridge";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A port has one; setting another takes it from the old one without a word. */
/* Whose PVIDs another one has taken has perhaps got a default PVID, and that must go first: it is told last. */
static void look_at_bridge(struct nl *nl, const char *name, uint16_t vid)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);
	_cleanup_err_ struct err err = { 0 };
	char key[BRIDGE_VLAN_KEY_MAX];

	bridge_vlan_key(key, name, vid);
	if (!link || state_wanted(&object_kind_bridge_vlan, key))
		return;
	if (link_read_named(nl, bridge_of(link), &err) < 0)
		log_debug("bridge-vlan", "%s", err_text(&err));
}

/* Whether there was another one. */
static bool take_pvid(struct nl *nl, const char *name, uint16_t vid)
{
	void *const *all;
	size_t count = have_group(have_all(), &object_kind_bridge_vlan, name, &all);

	for (size_t i = 0; i < count; i++) {
		const struct bridge_vlan *vlan = all[i];
		struct bridge_vlan *copy;

		if (!vlan->is_pvid || vlan->vid == vid)
			continue;
		copy = object_copy(&vlan->object);
		copy->is_pvid = false;
		watch_put(nl, &copy->object);
		return true;
	}
	return false;
}

static void vlan_seen(struct nl *nl, const char *name, uint16_t vid, uint16_t flags, uint8_t router,
	bool is_event)
{
	char key[BRIDGE_VLAN_KEY_MAX];
	struct bridge_vlan *vlan;
	bool is_taken;

	bridge_vlan_key(key, name, vid);
	vlan = object_new(&object_kind_bridge_vlan, key);
	snprintf(vlan->link, sizeof(vlan->link), "%s", name);
	vlan->vid = vid;
	vlan->is_untagged = flags & BRIDGE_VLAN_INFO_UNTAGGED;
	vlan->is_pvid = flags & BRIDGE_VLAN_INFO_PVID;
	vlan->multicast_router = router;
	is_taken = vlan->is_pvid && take_pvid(nl, name, vid);
	watch_put(nl, &vlan->object);
	if (is_taken && is_event)
		look_at_bridge(nl, name, vid);
}

static void entry_seen(
	struct nl *nl, const char *name, const struct nlattr *entry, bool is_gone, bool is_event)
{
	struct bridge_vlan_info info = { 0 };
	const struct nlattr *attr;
	uint16_t last = 0;
	uint8_t router = ROUTER_AUTO;

	mnl_attr_for_each_nested (attr, entry) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == BRIDGE_VLANDB_ENTRY_INFO &&
			mnl_attr_get_payload_len(attr) >= sizeof(info))
			memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		else if (type == BRIDGE_VLANDB_ENTRY_RANGE &&
			mnl_attr_get_payload_len(attr) >= sizeof(uint16_t))
			last = mnl_attr_get_u16(attr);
		else if (type == BRIDGE_VLANDB_ENTRY_MCAST_ROUTER)
			router = (uint8_t)nl_number(attr);
	}
	if (!info.vid || info.vid > 4094 || last > 4094)
		return;
	for (uint16_t vid = info.vid; vid <= (last ? last : info.vid); vid++) {
		char key[BRIDGE_VLAN_KEY_MAX];

		if (!is_gone) {
			vlan_seen(nl, name, vid, info.flags, router, is_event);
			continue;
		}
		bridge_vlan_key(key, name, vid);
		have_remove(&object_kind_bridge_vlan, key);
	}
}

static void bridge_vlan_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	const struct br_vlan_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return;
	name = nl_name_of(nl, msg->ifindex);
	if (!name)
		return;
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (mnl_attr_get_type(attr) == BRIDGE_VLANDB_ENTRY)
			entry_seen(nl, name, attr, nlh->nlmsg_type == RTM_DELVLAN, is_event);
	}
}

static int take_vlans(const struct nlmsghdr *nlh, void *arg)
{
	bridge_vlan_seen(arg, nlh, false);
	return 0;
}

static int bridge_vlan_dump(struct nl *nl, struct err *err)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct br_vlan_msg *msg;
	int r;

	nlh->nlmsg_type = RTM_GETVLAN;
	nlh->nlmsg_flags = NLM_F_DUMP;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->family = AF_BRIDGE;
	r = nl_request(nl, nlh, take_vlans, nl);
	if (r < 0 && r != -EOPNOTSUPP) /* no VLAN filtering in this kernel */
		return err_set(err, r, NULL, "reading bridge VLANs: %s", strerror(-r));
	return 0;
}

bool bridge_vlan_has_members(const char *bridge, uint16_t vid)
{
	char key[BRIDGE_VLAN_KEY_MAX];
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, bridge, &links);

	bridge_vlan_key(key, bridge, vid);
	if (have_get(have_all(), &object_kind_bridge_vlan, key))
		return true;
	for (size_t i = 0; i < count; i++) {
		bridge_vlan_key(key, ((const struct link *)links[i])->object.key, vid);
		if (have_get(have_all(), &object_kind_bridge_vlan, key))
			return true;
	}
	return false;
}

void bridge_vlan_link_gone(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);
	const struct link *bridge =
		link ? have_get(have_all(), &object_kind_link, bridge_of(link)) : NULL;
	void *const *objects;
	size_t count;

	while ((count = have_group(have_all(), &object_kind_bridge_vlan, name, &objects))) {
		const struct bridge_vlan *vlan = objects[count - 1];
		uint16_t vid = vlan->vid;

		have_remove(&object_kind_bridge_vlan, vlan->object.key);
		if (bridge && bridge->bridge.multicast_by_vlan)
			bridge_multicast_left(bridge->object.key, vid);
	}
}

static const uint16_t types[] = { RTM_NEWVLAN, RTM_DELVLAN, 0 };

const struct nl_object bridge_vlan_object = {
	.kind = &object_kind_bridge_vlan,
	.encode_run = bridge_vlan_encode,
	.types = types,
	.seen = bridge_vlan_seen,
	.dump = bridge_vlan_dump,
	.explain = bridge_vlan_explain,
};
