/*
 * Our routes, in the main table. They bear rtm_protocol 66: it is part of every deletion, so nobody else's
 * route goes; replacing takes over a foreign one that configuration names, and keeps it for undoing
 * (route_notice_others()). Foreign ones are otherwise not observed: there may be a million of them, which are
 * read when they are asked for (route-read.c).
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

static void put_several(struct nlmsghdr *nlh, const struct route *route)
{
	struct nlattr *list = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	const struct route_hop *hop;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		struct rtnexthop *entry = mnl_nlmsg_get_payload_tail(nlh);

		if (*hop->link && !is_usable(hop))
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
static struct nlmsghdr *begin(
	struct nl_batch *batch, struct step *step, const struct route *route, uint16_t flags)
{
	bool removes = step->op == STEP_REMOVE;
	struct nl *nl = nl_of("");
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;

	(void)link_index(route->hop.link, &nl); /* of another namespace, if it lives there */
	nlh = nl_batch_begin(
		batch, nl, removes ? RTM_DELROUTE : RTM_NEWROUTE, flags, step, removes ? ESRCH : 0);
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
	nlh = begin(batch, step, route, NLM_F_CREATE | flags);
	if (has_hops && count > 1)
		put_several(nlh, route);
	else if (has_hops)
		put_hop(nlh, route, hop);
	nl_batch_end(batch);
	return 0;
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
	nlh = begin(batch, step, route, 0);
	if (has_one_hop)
		put_hop(nlh, route, &route->hop);
	nl_batch_end(batch);
	return 0;
}

static int route_encode(struct nl_batch *batch, struct step *step)
{
	bool is_known = step->op == STEP_CHANGE ||
		have_get(have_all(), &object_kind_route,
			(step->want ? step->want : step->have)->key);

	if (step->op == STEP_REMOVE)
		return encode_removal(batch, step);
	return encode_addition(batch, step, is_known ? NLM_F_REPLACE : NLM_F_EXCL);
}

static const char *route_explain(const struct step *step, int error)
{
	switch (error) {
	case EEXIST:
		return "another route to this destination with the same preference is there already";
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

/* Another's, in the place of one that is or should be ours: what it says of itself is what is there. */
static bool takes_place(const struct route *route, const struct nlmsghdr *nlh, const char *key)
{
	/* IPv4 keeps one that was put beside it; of IPv6 both make one. */
	if (route->family == AF_INET && !(nlh->nlmsg_flags & NLM_F_REPLACE))
		return false;
	return have_get(have_all(), &object_kind_route, key) ||
		state_wanted(&object_kind_route, key);
}

static void route_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	struct route parsed, *route;
	const struct route *before;
	char key[ROUTE_KEY_MAX];

	if (!route_parse(nl, nlh, &parsed))
		return;
	if (*nl->netns && parsed.protocol != KERNEL_PROTOCOL) {
		free(parsed.others);
		return;
	}
	route_key(key, parsed.family, parsed.table, &parsed.dst, parsed.prefix_length,
		parsed.metric, parsed.tos);
	before = have_get(have_all(), &object_kind_route, key);
	if (nlh->nlmsg_type == RTM_DELROUTE) {
		/* A replaced route's old form may be told of after its new one. */
		if (before && before->protocol == parsed.protocol)
			have_remove(&object_kind_route, key);
		free(parsed.others);
		return;
	}
	if (parsed.protocol != KERNEL_PROTOCOL && !takes_place(&parsed, nlh, key)) {
		free(parsed.others);
		return;
	}
	parsed.seen_ms = before ? before->seen_ms : watch_now_ms();
	route = object_new(&object_kind_route, key);
	parsed.object = route->object;
	*route = parsed;
	watch_put(nl, &route->object);
}

static int take_route(const struct nlmsghdr *nlh, void *arg)
{
	route_seen(arg, nlh, false);
	return 0;
}

static int route_dump(struct nl *nl, struct err *err)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	int r;

	for (size_t i = 0; i < 2; i++) {
		route_request(nlh, i ? AF_INET6 : AF_INET, KERNEL_PROTOCOL);
		r = nl_request(nl, nlh, take_route, nl);
		if (r < 0 && r != -ENOENT) /* no such table yet */
			return err_set(err, r, NULL, "reading routes: %s", strerror(-r));
	}
	return 0;
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

/* --- what others have made ---------------------------------------------------------------------- */

static bool is_taken(const struct step *step)
{
	return step->error == -EEXIST && step->op == STEP_ADD &&
		step->want->kind == &object_kind_route;
}

/* Looks through a family's routes for those keys, @by_key, which it takes out; the first of each counts. */
static void find(uint8_t family, struct map *by_key)
{
	static const struct route_select all = { .has_dst = false };
	_cleanup_(route_reader_freep) struct route_reader *reader = NULL;
	const struct route *route;
	char key[ROUTE_KEY_MAX];
	bool is_active;

	if (route_reader_new(family, &all, &reader, NULL) < 0)
		return;
	while (by_key->count && route_reader_next(reader, &route, &is_active, NULL) > 0) {
		struct object object;
		struct route *copy;

		if (!route)
			continue;
		route_key(key, family, route->table, &route->dst, route->prefix_length,
			route->metric, route->tos);
		if (!map_del_str(by_key, key))
			continue;
		copy = object_new(&object_kind_route, key);
		object = copy->object;
		*copy = *route;
		copy->object = object;
		route_copy(&copy->object, &route->object);
		have_notice(&copy->object);
	}
}

void route_take_over(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct map by_key[ARRAY_SIZE(families)] = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct route *route = (const struct route *)steps[i]->want;

		if (is_taken(steps[i]))
			map_put_str(
				&by_key[route->family == AF_INET6], route->object.key, steps[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (by_key[i].count)
			find(families[i], &by_key[i]);
		map_done(&by_key[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_taken(steps[i]) ||
			!have_get(have_all(), &object_kind_route, steps[i]->want->key))
			continue;
		steps[i]->error = 0;
		err_done(&steps[i]->err);
		steps[i]->err = (struct err){ 0 };
		steps[i]->is_done = false;
		(void)encode_addition(batch, steps[i], NLM_F_REPLACE); /* as before */
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
