/*
 * The forwarding database of bridges: behind which port a MAC address is. What is configured is static and
 * sticky: it neither ages nor moves when it is heard of elsewhere. Static entries are observed, the kernel's
 * events about others are not even received. All there are can be read, one after the other, and none is kept.
 *
 * An entry of the device's own, for the address of the bridge or of one of its ports, could be replaced as well
 * as any other, and then nothing reaches the device any more: so an entry is only made where there is none, or
 * where what is in the way has been looked at.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"
#include "nl-dump.h"

#define CLOCK_HZ 100 /* USER_HZ */

void bridge_fdb_key(char *key, const char *bridge, uint16_t vid, const uint8_t mac[6])
{
	char text[18];

	str_mac(text, mac);
	snprintf(key, BRIDGE_FDB_KEY_MAX, "%s %u %s", bridge, vid, text);
}

static enum object_diff fdb_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct bridge_fdb *a = (const struct bridge_fdb *)want,
				*b = (const struct bridge_fdb *)have;

	return str_equal(a->port, b->port) && !((a->flags ^ b->flags) & NTF_STICKY) ? OBJECT_SAME
										    : OBJECT_CHANGE;
}

static void fdb_describe(const struct object *object, char *text, size_t size)
{
	const struct bridge_fdb *fdb = (const struct bridge_fdb *)object;
	char mac[18];

	str_mac(mac, fdb->mac);
	snprintf(text, size, "address %s on port %s of %s", mac, fdb->port, fdb->bridge);
}

/* The kernel keeps no mark: what is sticky in a bridge of ours is ours. */
static enum object_owner fdb_owner(const struct object *have)
{
	const struct bridge_fdb *fdb = (const struct bridge_fdb *)have;
	const struct link *bridge = have_get(have_all(), &object_kind_link, fdb->bridge);

	return bridge && link_is_made(bridge) && fdb->flags & NTF_STICKY ? OBJECT_OURS
									 : OBJECT_FOREIGN;
}

static size_t fdb_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct bridge_fdb *)have)->bridge;
	ret_names[1] = ((const struct bridge_fdb *)have)->port;
	return 2;
}

const struct object_kind object_kind_bridge_fdb = {
	.name = "bridge-fdb",
	.rank = KERNEL_RANK_BRIDGE_FDB,
	.size = sizeof(struct bridge_fdb),
	.target = &kernel_target,
	.compare = fdb_compare,
	.describe = fdb_describe,
	.owner = fdb_owner,
	.groups = fdb_groups,
};

/* --- writing ---------------------------------------------------------------------------------- */

static void put_entry(struct nlmsghdr *nlh, const struct bridge_fdb *fdb, uint32_t port)
{
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = AF_BRIDGE;
	ndm->ndm_ifindex = (int)port;
	ndm->ndm_flags = NTF_MASTER | (fdb->flags & NTF_STICKY);
	ndm->ndm_state = NUD_NOARP;
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(fdb->mac), fdb->mac);
	if (fdb->vid)
		mnl_attr_put_u16(nlh, NDA_VLAN, fdb->vid);
}

static int encode(struct nl_batch *batch, struct step *step, uint16_t flags)
{
	bool removes = step->op == STEP_REMOVE;
	const struct bridge_fdb *fdb =
		(const struct bridge_fdb *)(step->want ? step->want : step->have);
	struct nl *nl;
	uint32_t port = link_index(fdb->port, &nl);
	struct nlmsghdr *nlh;

	if (!port)
		return removes ? 0
			       : err_set(&step->err, -ENODEV, NULL, "%s does not exist", fdb->port);
	/* What a port had goes with its membership. */
	nlh = nl_batch_begin(batch, nl, removes ? RTM_DELNEIGH : RTM_NEWNEIGH,
		removes ? 0 : NLM_F_CREATE | flags, step, removes ? NL_ANY_ERROR : 0);
	put_entry(nlh, fdb, port);
	nl_batch_end(batch);
	return 0;
}

static int fdb_encode(struct nl_batch *batch, struct step *step)
{
	return encode(batch, step, NLM_F_EXCL);
}

static bool is_taken(const struct step *step)
{
	return step->error == -EEXIST && step->want && step->want->kind == &object_kind_bridge_fdb;
}

static int take_state(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ndm))
		*(uint16_t *)arg = ndm->ndm_state;
	return 0;
}

/* Whether the entry of that address is the device's own. */
static bool is_own(const struct bridge_fdb *fdb)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ndmsg *ndm;
	uint16_t state = 0;
	struct nl *nl;
	uint32_t bridge = link_index(fdb->bridge, &nl);

	if (!bridge)
		return false;
	nlh->nlmsg_type = RTM_GETNEIGH;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = AF_BRIDGE;
	mnl_attr_put_u32(nlh, NDA_MASTER, bridge);
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(fdb->mac), fdb->mac);
	if (fdb->vid)
		mnl_attr_put_u16(nlh, NDA_VLAN, fdb->vid);
	return nl_request(nl, nlh, take_state, &state) == 0 && state & NUD_PERMANENT;
}

void bridge_fdb_take_over(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_taken(steps[i]) || is_own((const struct bridge_fdb *)steps[i]->want))
			continue;
		steps[i]->error = 0;
		err_done(&steps[i]->err);
		steps[i]->err = (struct err){ 0 };
		steps[i]->is_done = false;
		(void)encode(batch, steps[i], NLM_F_REPLACE); /* as before */
	}
	nl_batch_flush(batch);
}

static const char *fdb_explain(const struct step *step, int error)
{
	switch (error) {
	case EINVAL:
		return "the port is not in the VLAN, or the address is not one of a single station";
	case EOPNOTSUPP:
		return "the interface is no port of a bridge";
	case EEXIST:
		return "this is an address of the bridge itself, or of one of its ports";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

/* false: an entry of a device's own, or nothing of ours. */
static bool parse(struct nl *nl, const struct nlmsghdr *nlh, struct bridge_fdb *fdb)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const char *port, *bridge = NULL;
	const struct nlattr *attr;
	bool has_mac = false;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) || ndm->ndm_family != AF_BRIDGE ||
		ndm->ndm_flags & NTF_SELF)
		return false;
	*fdb = (struct bridge_fdb){ .state = ndm->ndm_state, .flags = ndm->ndm_flags };
	mnl_attr_for_each (attr, nlh, sizeof(*ndm)) {
		struct nda_cacheinfo info;

		switch (mnl_attr_get_type(attr)) {
		case NDA_LLADDR:
			has_mac = mnl_attr_get_payload_len(attr) == sizeof(fdb->mac);
			link_take_number(fdb->mac, sizeof(fdb->mac), attr);
			break;
		case NDA_VLAN:
			link_take_number(&fdb->vid, sizeof(fdb->vid), attr);
			break;
		case NDA_MASTER:
			bridge = nl_name_of(nl, (uint32_t)nl_number(attr));
			break;
		case NDA_CACHEINFO:
			if (mnl_attr_get_payload_len(attr) != sizeof(info))
				break;
			memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
			fdb->idle_s = info.ndm_updated / CLOCK_HZ;
			break;
		}
	}
	port = nl_name_of(nl, (uint32_t)ndm->ndm_ifindex);
	if (!port || !bridge || !has_mac)
		return false;
	snprintf(fdb->port, sizeof(fdb->port), "%s", port);
	snprintf(fdb->bridge, sizeof(fdb->bridge), "%s", bridge);
	return true;
}

static bool is_static(const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	return mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ndm) && ndm->ndm_family == AF_BRIDGE &&
		ndm->ndm_state == NUD_NOARP;
}

static void fdb_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	struct bridge_fdb parsed, *fdb;
	char key[BRIDGE_FDB_KEY_MAX];

	if (!is_static(nlh) || !parse(nl, nlh, &parsed))
		return;
	bridge_fdb_key(key, parsed.bridge, parsed.vid, parsed.mac);
	if (nlh->nlmsg_type == RTM_DELNEIGH) {
		have_remove(&object_kind_bridge_fdb, key);
		return;
	}
	fdb = object_new(&object_kind_bridge_fdb, key);
	parsed.object = fdb->object;
	*fdb = parsed;
	watch_put(nl, &fdb->object);
}

static int take_entry(const struct nlmsghdr *nlh, void *arg)
{
	fdb_seen(arg, nlh, false);
	return 0;
}

static void put_request(struct nlmsghdr *nlh, uint32_t bridge, uint32_t port)
{
	struct ndmsg *ndm;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_DUMP;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = AF_BRIDGE;
	ndm->ndm_ifindex = (int)port;
	mnl_attr_put_u32(nlh, NDA_MASTER, bridge);
}

/* Of bridges that we have made; in others nothing is ours. */
static int fdb_dump(struct nl *nl, struct err *err)
{
	_cleanup_free_ uint32_t *indexes = NULL;
	size_t count = 0, room = 0, at = 0;
	const struct link *link;
	int r = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if (link->kind != &link_kind_bridge || !link_is_made(link) ||
			!str_equal(link_netns(link), nl->netns))
			continue;
		ARRAY_GROW(indexes, count, room);
		indexes[count++] = link->ifindex;
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		char buffer[NL_MESSAGE_BYTES] = { 0 };
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);

		put_request(nlh, indexes[i], 0);
		r = nl_request(nl, nlh, take_entry, nl);
	}
	return r < 0 && r != -ENODEV
		? err_set(err, r, NULL, "reading the forwarding database: %s", strerror(-r))
		: 0;
}

void bridge_fdb_link_gone(const char *name)
{
	void *const *objects;
	size_t count;

	while ((count = have_group(have_all(), &object_kind_bridge_fdb, name, &objects)))
		have_remove(
			&object_kind_bridge_fdb, ((const struct object *)objects[count - 1])->key);
}

/* --- all of them ------------------------------------------------------------------------------ */

struct bridge_fdb_reader {
	struct nl *nl;
	struct nl_dump *dump; /* NULL: there is nothing */
	struct bridge_fdb entry;
};

int bridge_fdb_reader_new(const char *bridge, const char *port,
	struct bridge_fdb_reader **ret_reader, struct err *err)
{
	struct bridge_fdb_reader *reader = XNEW(struct bridge_fdb_reader);
	uint32_t bridge_index = link_index(bridge, &reader->nl);
	uint32_t port_index = port ? link_index(port, NULL) : 0;
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	int r = 0;

	/* A filter by port leaves out nothing but other ports: the bridge's own entries have none. */
	if (bridge_index && (!port || port_index) && !kernel_is_recording()) {
		put_request(nlh, bridge_index, port_index == bridge_index ? 0 : port_index);
		r = nl_dump_new(nlh, &reader->dump, err);
	}
	if (r < 0) {
		bridge_fdb_reader_free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

int bridge_fdb_reader_next(
	struct bridge_fdb_reader *reader, const struct bridge_fdb **ret_entry, struct err *err)
{
	const struct nlmsghdr *nlh;
	int r = 0;

	*ret_entry = NULL;
	while (reader->dump && (r = nl_dump_next(reader->dump, &nlh)) > 0 && nlh) {
		if (!parse(reader->nl, nlh, &reader->entry))
			continue;
		*ret_entry = &reader->entry;
		return 1;
	}
	return r < 0 ? err_set(err, r, NULL, "reading the forwarding database: %s", strerror(-r))
		     : r;
}

void bridge_fdb_reader_free(struct bridge_fdb_reader *reader)
{
	if (!reader)
		return;
	nl_dump_free(reader->dump);
	free(reader);
}

/* --- tables ------------------------------------------------------------------------------------ */

static const uint16_t types[] = { RTM_NEWNEIGH, RTM_DELNEIGH, 0 };

const struct nl_object bridge_fdb_object = {
	.kind = &object_kind_bridge_fdb,
	.encode = fdb_encode,
	.types = types,
	.seen = fdb_seen,
	.dump = fdb_dump,
	.explain = fdb_explain,
};
