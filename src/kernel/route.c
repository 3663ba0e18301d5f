/*
 * Our routes, in the main table. They bear rtm_protocol 66: it is part of every deletion, so nobody else's
 * route goes. Foreign ones are not observed: there may be a million of them, which are read when they are asked
 * for (route-read.c).
 *
 * Others may have a route with the same destination, metric and TOS. IPv4 has room for both: ours is put in
 * front. Replacing takes the first there is, so only one that nobody has put another one beside (is_alone) is
 * replaced; otherwise the new one comes first, and then the old one goes. IPv6 would make one of both: ours is
 * refused while theirs is there.
 *
 * The kernel says nothing of some ends: IPv4 routes of a link that goes down, or loses its last address,
 * vanish without an event (route_link_down()); of several next hops those are marked dead until the link is
 * back. IPv6 takes the next hops of a route as routes that belong together: one can be deleted or added
 * alone, a deletion that names none takes all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"
#include "route.h"

size_t route_address_size(uint8_t family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

void route_key(char *key, uint8_t family, uint32_t table, const void *dst, uint8_t prefix_length,
	uint32_t metric, uint8_t tos)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, dst, text, sizeof(text));
	snprintf(key, ROUTE_KEY_MAX, "%u %s/%u %u %u", table, text, prefix_length, metric, tos);
}

struct route_hop *route_hop(const struct route *route, size_t index)
{
	if (index)
		return index <= route->other_count ? &route->others[index - 1] : NULL;
	return (struct route_hop *)&route->hop;
}

struct route_hop *route_add_hop(struct route *route)
{
	route->others =
		xreallocarray(route->others, route->other_count + 1U, sizeof(*route->others));
	memset(&route->others[route->other_count], 0, sizeof(*route->others));
	return &route->others[route->other_count++];
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool same_gateway(const struct route_hop *a, const struct route_hop *b)
{
	return a->gateway_family == b->gateway_family &&
		(!a->gateway_family ||
			!memcmp(&a->gateway, &b->gateway, route_address_size(a->gateway_family)));
}

/* A next hop that names no link leaves that to the kernel. */
static bool same_hop(
	const struct route_hop *want, const struct route_hop *have, bool is_one_of_several)
{
	return same_gateway(want, have) && (!*want->link || str_equal(want->link, have->link)) &&
		(!is_one_of_several || want->weight == have->weight);
}

static bool has_hop(const struct route *route, const struct route_hop *want)
{
	const struct route_hop *hop;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		if (same_hop(want, hop, true))
			return true;
	}
	return false;
}

static bool is_up(const char *link)
{
	return !*link || have_get(have_all(), &object_kind_link_up, link);
}

/* Of several next hops those whose links are down may be there or not: the kernel does not use them. */
static bool same_hops(const struct route *want, const struct route *have)
{
	const struct route_hop *hop;
	size_t common = 0, alive = 0;

	if (!want->other_count)
		return !have->other_count && same_hop(&want->hop, &have->hop, false);
	for (size_t i = 0; (hop = route_hop(want, i)); i++)
		alive += is_up(hop->link);
	for (size_t i = 0; (hop = route_hop(want, i)); i++) {
		/* The only one left is a route with one, whose weight does not count. */
		bool is_there =
			have->other_count ? has_hop(have, hop) : same_hop(hop, &have->hop, false);

		if (!is_there && is_up(hop->link))
			return false;
		common += is_there;
	}
	return common == have->other_count + 1U && (have->other_count || alive <= 1);
}

static uint8_t protocol_of(const struct route *want)
{
	return want->protocol ? want->protocol : KERNEL_PROTOCOL;
}

static enum object_diff route_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct route *a = (const struct route *)want, *b = (const struct route *)have;

	if (kernel_is_recording())
		return OBJECT_SAME;
	if (a->type != b->type || b->protocol != protocol_of(a))
		return OBJECT_CHANGE;
	return a->type == ROUTE_UNICAST && !same_hops(a, b) ? OBJECT_CHANGE : OBJECT_SAME;
}

static bool route_equal(const struct object *x, const struct object *y)
{
	const struct route *a = (const struct route *)x, *b = (const struct route *)y;

	if (a->type != b->type || a->protocol != b->protocol || a->other_count != b->other_count ||
		memcmp(&a->hop, &b->hop, sizeof(a->hop)))
		return false;
	return !a->other_count ||
		!memcmp(a->others, b->others, a->other_count * sizeof(*a->others));
}

static void route_copy(struct object *to, const struct object *from)
{
	struct route *route = (struct route *)to;
	const struct route *other = (const struct route *)from;

	if (other->others)
		route->others = xmemdup(other->others, other->other_count * sizeof(*other->others));
}

static void route_done(struct object *object)
{
	free(((struct route *)object)->others);
}

static void route_describe(const struct object *object, char *text, size_t size)
{
	const struct route *route = (const struct route *)object;
	char address[INET6_ADDRSTRLEN] = "";
	const struct route_hop *hop;
	size_t length;

	inet_ntop(route->family, &route->dst, address, sizeof(address));
	snprintf(text, size, "route %s/%u", address, route->prefix_length);
	for (size_t i = 0; route->type == ROUTE_UNICAST && (hop = route_hop(route, i)); i++) {
		*address = '\0';
		if (hop->gateway_family)
			inet_ntop(hop->gateway_family, &hop->gateway, address, sizeof(address));
		length = strlen(text);
		snprintf(text + length, size - length, "%s%s%s%s%s", i ? "," : "",
			*address ? " via " : "", address, *hop->link ? " dev " : "", hop->link);
	}
}

static enum object_owner route_owner(const struct object *have)
{
	return ((const struct route *)have)->protocol == KERNEL_PROTOCOL ? OBJECT_OURS
									 : OBJECT_FOREIGN;
}

/* Those of more links than there are groups are found by "", too. */
static size_t route_groups(const struct object *have, const char **ret_names)
{
	const struct route *route = (const struct route *)have;
	const struct route_hop *hop;
	size_t count = 0;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		size_t at = 0;

		while (at < count && !str_equal(ret_names[at], hop->link))
			at++;
		if (at < count || !*hop->link)
			continue;
		if (count == OBJECT_GROUPS_MAX - 1) {
			ret_names[count++] = "";
			break;
		}
		ret_names[count++] = hop->link;
	}
	return count;
}

/* It may go to another link so far, and lives on with one hop. */
static bool route_goes_with(const struct object *have, const char *gone)
{
	const struct route *route = (const struct route *)have;
	const struct route_hop *hop;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		if (!str_equal(hop->link, gone))
			return false;
	}
	return true;
}

const struct object_kind object_kind_route = {
	.name = "route",
	.rank = KERNEL_RANK_ROUTE,
	.size = sizeof(struct route),
	.target = &kernel_target,
	.compare = route_compare,
	.copy = route_copy,
	.done = route_done,
	.equal = route_equal,
	/* A route that another one stands in for, with another metric, goes when that is there. */
	.is_removed_last = true,
	.describe = route_describe,
	.owner = route_owner,
	.groups = route_groups,
	.stands_alone = true,
	.goes_with = route_goes_with,
};

/* --- writing ---------------------------------------------------------------------------------- */

static void put_gateway(
	struct nlmsghdr *nlh, const struct route *route, const struct route_hop *hop)
{
	size_t size = route_address_size(hop->gateway_family);
	struct {
		uint16_t family;
		uint8_t address[sizeof(struct in6_addr)];
	} __attribute__((packed)) via = { .family = hop->gateway_family };

	if (!hop->gateway_family)
		return;
	if (hop->gateway_family == route->family) {
		mnl_attr_put(nlh, RTA_GATEWAY, size, &hop->gateway);
		return;
	}
	memcpy(via.address, &hop->gateway, size);
	mnl_attr_put(nlh, RTA_VIA, sizeof(via.family) + size, &via);
}

/* Is it up, or made so by a step before? The kernel takes no next hop on a link that is down. */
static bool is_usable(const struct route_hop *hop)
{
	const struct object *up = *hop->link ? state_wanted(&object_kind_link_up, hop->link) : NULL;

	return link_index(hop->link, NULL) && (is_up(hop->link) || (up && !up->is_pending));
}

static size_t count_usable(const struct route *route, const struct route_hop **ret_last)
{
	const struct route_hop *hop;
	size_t count = 0;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		if (*hop->link && !is_usable(hop))
			continue;
		*ret_last = hop;
		count++;
	}
	return count;
}

static void put_hop(struct nlmsghdr *nlh, const struct route *route, const struct route_hop *hop)
{
	put_gateway(nlh, route, hop);
	if (*hop->link)
		mnl_attr_put_u32(nlh, RTA_OIF, link_index(hop->link, NULL));
}

/* Those that can be used, or (of one to be deleted) all. */
static void put_several(struct nlmsghdr *nlh, const struct route *route, bool all)
{
	struct nlattr *list = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	const struct route_hop *hop;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		struct rtnexthop *entry = mnl_nlmsg_get_payload_tail(nlh);

		if (!all && *hop->link && !is_usable(hop))
			continue;
		nlh->nlmsg_len += NLMSG_ALIGN(sizeof(*entry));
		put_gateway(nlh, route, hop);
		*entry = (struct rtnexthop){
			.rtnh_len =
				(uint16_t)((char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)entry),
			.rtnh_hops = (uint8_t)(hop->weight - 1),
			.rtnh_ifindex = *hop->link ? (int)link_index(hop->link, NULL) : 0,
		};
	}
	mnl_attr_nest_end(nlh, list);
}

static const struct {
	enum route_type type;
	uint8_t rtn;
} route_types[] = {
	{ ROUTE_UNICAST, RTN_UNICAST },
	{ ROUTE_BLACKHOLE, RTN_BLACKHOLE },
	{ ROUTE_UNREACHABLE, RTN_UNREACHABLE },
	{ ROUTE_PROHIBIT, RTN_PROHIBIT },
	{ ROUTE_RECEIVE, RTN_LOCAL },
};

static uint8_t rtn_of(enum route_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(route_types); i++) {
		if (route_types[i].type == type)
			return route_types[i].rtn;
	}
	return RTN_UNICAST;
}

static uint8_t scope_of(const struct route *route)
{
	if (route->family == AF_INET && route->type == ROUTE_RECEIVE)
		return RT_SCOPE_HOST;
	return route->family == AF_INET && route->type == ROUTE_UNICAST && !route->other_count &&
			!route->hop.gateway_family
		? RT_SCOPE_LINK
		: RT_SCOPE_UNIVERSE;
}

/* What it is known by; a deletion that names no next hop takes all of them along. */
static struct nlmsghdr *begin(struct nl_batch *batch, struct step *step, const struct route *route,
	uint16_t type, uint16_t flags)
{
	bool removes = type == RTM_DELROUTE;
	struct nl *nl = nl_of("");
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;

	(void)link_index(route->hop.link, &nl); /* of another namespace, if it lives there */
	nlh = nl_batch_begin(batch, nl, type, flags, step, removes ? ESRCH : 0);
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = route->family;
	rtm->rtm_dst_len = route->prefix_length;
	rtm->rtm_tos = route->tos;
	rtm->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = protocol_of(route);
	rtm->rtm_type = rtn_of(route->type);
	rtm->rtm_scope = removes && route->family == AF_INET ? RT_SCOPE_NOWHERE : scope_of(route);
	mnl_attr_put(nlh, RTA_DST, route_address_size(route->family), &route->dst);
	mnl_attr_put_u32(nlh, RTA_TABLE, route->table);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	return nlh;
}

/* @flags: what is to become of one that is there. */
static int encode_addition(struct nl_batch *batch, struct step *step, uint16_t flags)
{
	const struct route *route = (const struct route *)step->want;
	bool has_hops = route->type == ROUTE_UNICAST || route->type == ROUTE_RECEIVE;
	const struct route_hop *hop = &route->hop;
	size_t count = route->other_count ? count_usable(route, &hop) : 1;
	struct nlmsghdr *nlh;

	if (has_hops && (!count || (*hop->link && !link_index(hop->link, NULL))))
		return err_set(&step->err, -ENODEV, NULL, "%s %s", hop->link,
			route->other_count ? "and the other interfaces are down"
					   : "does not exist");
	nlh = begin(batch, step, route, RTM_NEWROUTE, NLM_F_CREATE | flags);
	if (has_hops && count > 1)
		put_several(nlh, route, false);
	else if (has_hops)
		put_hop(nlh, route, hop);
	nl_batch_end(batch);
	return 0;
}

static void copy_freep(struct route **copy)
{
	object_free(&(*copy)->object);
}

static int encode_removal(struct nl_batch *batch, struct step *step)
{
	const struct route *route = (const struct route *)step->have;
	bool has_one_hop = route->type == ROUTE_UNICAST && !route->other_count;
	struct nlmsghdr *nlh;

	if (route->protocol && route->protocol != KERNEL_PROTOCOL) {
		have_remove(&object_kind_route, route->object.key); /* another's: it stays */
		step->is_done = true;
		return 0;
	}
	if (has_one_hop && *route->hop.link && !link_index(route->hop.link, NULL))
		return 0; /* went with its link */
	nlh = begin(batch, step, route, RTM_DELROUTE, 0);
	if (has_one_hop)
		put_hop(nlh, route, &route->hop);
	nl_batch_end(batch);
	return 0;
}

/* IPv4: of exactly these next hops, when there may be another one of ours. */
static void encode_deletion(struct nl_batch *batch, struct step *step, const struct route *route)
{
	struct nlmsghdr *nlh = begin(batch, step, route, RTM_DELROUTE, 0);

	if (route->type == ROUTE_UNICAST)
		put_several(nlh, route, true);
	nl_batch_end(batch);
}

/* Whether a deletion of @old could take @new: the kernel compares as many next hops as that has. */
static bool could_take(const struct route *old, const struct route *new)
{
	const struct route_hop *hop, *other;
	size_t at = 0;

	if (old->type != new->type)
		return false;
	for (size_t i = 0; new->type == ROUTE_UNICAST && (hop = route_hop(new, i)); i++) {
		if (new->other_count && * hop->link && !is_usable(hop))
			continue;
		other = route_hop(old, at++);
		if (!other || !same_hop(hop, other, false))
			return false;
	}
	return true;
}

/* The batch is sent. Only the very same route is "there already" when it is put in front of others. */
static int send_addition(struct nl_batch *batch, struct step *step)
{
	int r = encode_addition(batch, step, 0);

	nl_batch_flush(batch);
	if (step->error == -EEXIST) {
		err_done(&step->err);
		step->err = (struct err){ 0 };
		step->error = 0;
	}
	return r < 0 ? r : step->error;
}

/* IPv4: beside routes of others. The old one goes when the new one is there. */
static int encode_beside(struct nl_batch *batch, struct step *step, const struct route *have)
{
	_cleanup_(copy_freep) struct route *old = object_copy(&have->object);
	int r;

	if (could_take(old, (const struct route *)step->want)) {
		encode_deletion(batch, step, old);
		return send_addition(batch, step);
	}
	r = send_addition(batch, step);
	if (r == 0)
		encode_deletion(batch, step, old);
	return r;
}

static int route_encode(struct nl_batch *batch, struct step *step)
{
	const struct route *have, *want = (const struct route *)step->want;

	if (step->op == STEP_REMOVE)
		return encode_removal(batch, step);
	have = have_get(have_all(), &object_kind_route, want->object.key);
	if (want->family == AF_INET && !have)
		return encode_addition(batch, step, 0);
	if (want->family == AF_INET && !have->is_alone)
		return encode_beside(batch, step, have);
	return encode_addition(
		batch, step, have || step->op == STEP_CHANGE ? NLM_F_REPLACE : NLM_F_EXCL);
}

static const char *route_explain(const struct step *step, int error)
{
	switch (error) {
	case EEXIST:
		return "another route to this destination with the same preference is there already, "
		       "made by others";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "the next hop is not reachable: no connected network holds it";
	case ENODEV:
		return "the outgoing interface does not exist";
	case ENETDOWN:
		return "the outgoing interface is down";
	case EINVAL:
		return "the kernel refuses this destination or next hop";
	default:
		return NULL;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

static void hops_freep(struct route *route)
{
	free(route->others);
}

/* Of IPv6, another's in the place of one that is or should be ours: what it says of itself is what is there. */
static bool takes_place(const struct route *route, const char *key)
{
	return route->family == AF_INET6 &&
		(have_get(have_all(), &object_kind_route, key) ||
			state_wanted(&object_kind_route, key));
}

/* Of IPv4 ours is still there, unless it was the one replaced: if not, that shows when it is put back. */
static void note_another(const struct route *route, const struct nlmsghdr *nlh, struct route *ours)
{
	if (!ours || route->family != AF_INET || ours->protocol != KERNEL_PROTOCOL)
		return;
	ours->is_alone = false;
	if (nlh->nlmsg_flags & NLM_F_REPLACE)
		have_remove(&object_kind_route, ours->object.key);
}

/* The kernel says of a new route whether it is the first of its kind. */
static bool is_alone(const struct route *before, const struct nlmsghdr *nlh, bool is_event)
{
	return is_event &&
		((nlh->nlmsg_flags & NLM_F_EXCL) ||
			((nlh->nlmsg_flags & NLM_F_REPLACE) && before && before->is_alone));
}

/* The old form of a changed route may be told of after its new one. */
static bool is_gone(const struct route *gone, const struct route *before)
{
	const struct route_hop *hop;

	if (!before || before->protocol != gone->protocol)
		return false;
	if (gone->family != AF_INET)
		return true;
	for (size_t i = 0; (hop = route_hop(gone, i)); i++) {
		if (i > before->other_count || !same_hop(hop, route_hop(before, i), false))
			return false;
	}
	return gone->type == before->type && gone->other_count == before->other_count;
}

static void route_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	_cleanup_(hops_freep) struct route parsed = { 0 };
	struct route *route, *before;
	char key[ROUTE_KEY_MAX];

	if (!route_parse(nl, nlh, &parsed) || (*nl->netns && parsed.protocol != KERNEL_PROTOCOL))
		return;
	route_key(key, parsed.family, parsed.table, &parsed.dst, parsed.prefix_length,
		parsed.metric, parsed.tos);
	before = have_get(have_all(), &object_kind_route, key);
	if (nlh->nlmsg_type == RTM_DELROUTE) {
		if (is_gone(&parsed, before))
			have_remove(&object_kind_route, key);
		return;
	}
	if (parsed.protocol != KERNEL_PROTOCOL && !takes_place(&parsed, key)) {
		note_another(&parsed, nlh, before);
		return;
	}
	parsed.is_alone = is_alone(before, nlh, is_event);
	parsed.seen_ms = before ? before->seen_ms : watch_now_ms();
	route = object_new(&object_kind_route, key);
	parsed.object = route->object;
	*route = parsed;
	parsed.others = NULL;
	watch_put(nl, &route->object);
}

static int take_route(const struct nlmsghdr *nlh, void *arg)
{
	route_seen(arg, nlh, false);
	return 0;
}

static int ask(struct nl *nl, uint8_t family)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	int r;

	route_request(nlh, family, KERNEL_PROTOCOL);
	r = nl_request(nl, nlh, take_route, nl);
	return r == -ENOENT ? 0 : r; /* no such table yet */
}

static int route_dump(struct nl *nl, struct err *err)
{
	int r = ask(nl, AF_INET);

	if (r == 0)
		r = ask(nl, AF_INET6);
	return r < 0 ? err_set(err, r, NULL, "reading routes: %s", strerror(-r)) : 0;
}

/* --- what the kernel does without a word -------------------------------------------------------- */

/* Of several next hops, is there one whose link is still up? */
static bool lives_on(const struct route *route, const char *down)
{
	const struct route_hop *hop;

	for (size_t i = 0; route->other_count && (hop = route_hop(route, i)); i++) {
		if (!str_equal(hop->link, down) && is_up(hop->link))
			return true;
	}
	return false;
}

static bool uses(const struct route *route, const char *link)
{
	const struct route_hop *hop;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		if (str_equal(hop->link, link))
			return true;
	}
	return false;
}

static void forget(const char *group, const char *link, bool is_gone)
{
	void *const *objects;
	size_t count = have_group(have_all(), &object_kind_route, group, &objects), gone = 0;
	char **keys = xcalloc(count + 1, sizeof(*keys));

	for (size_t i = 0; i < count; i++) {
		const struct route *route = objects[i];

		if (uses(route, link) &&
			(is_gone || (route->family == AF_INET && !lives_on(route, link))))
			keys[gone++] = xstrdup(route->object.key);
	}
	for (size_t i = 0; i < gone; i++) {
		have_remove(&object_kind_route, keys[i]);
		free(keys[i]);
	}
	free(keys);
}

void route_link_down(const char *name)
{
	forget(name, name, false);
	forget("", name, false);
}

void route_link_gone(const char *name)
{
	forget(name, name, true);
	forget("", name, true);
}

/* --- what is there already ---------------------------------------------------------------------- */

static bool is_taken(const struct step *step, uint8_t family)
{
	return step->error == -EEXIST && step->op == STEP_ADD &&
		step->want->kind == &object_kind_route &&
		((const struct route *)step->want)->family == family;
}

/* Ours are read again: IPv6 may have kept some next hops, and of IPv4 it is the very same route. */
static void look_again(struct step *const *steps, size_t count, uint8_t family)
{
	for (size_t i = 0; i < count; i++) {
		if (is_taken(steps[i], family)) {
			(void)ask(nl_of(""), family); /* else it stays refused */
			return;
		}
	}
}

void route_take_up(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	look_again(steps, count, AF_INET);
	look_again(steps, count, AF_INET6);
	for (size_t i = 0; i < count; i++) {
		struct step *step = steps[i];

		if ((!is_taken(step, AF_INET) && !is_taken(step, AF_INET6)) ||
			!have_get(have_all(), &object_kind_route, step->want->key))
			continue;
		step->error = 0;
		err_done(&step->err);
		step->err = (struct err){ 0 };
		if (((const struct route *)step->want)->family == AF_INET6)
			(void)encode_addition(batch, step, NLM_F_REPLACE); /* as before */
	}
	nl_batch_flush(batch);
}

static const uint16_t types[] = { RTM_NEWROUTE, RTM_DELROUTE, 0 };

const struct nl_object route_object = {
	.kind = &object_kind_route,
	.encode = route_encode,
	.types = types,
	.seen = route_seen,
	.dump = route_dump,
	.explain = route_explain,
};
