/*
 * Routes of the main table. Ours bear rtm_protocol 66: it is part of every deletion, so nobody else's route
 * goes; replacing takes over a foreign one that configuration names. IPv4 routes of a link that goes down
 * vanish without an event (route_link_down()).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static const struct {
	enum route_type type;
	uint8_t rtn;
} route_types[] = {
	{ ROUTE_UNICAST, RTN_UNICAST },
	{ ROUTE_BLACKHOLE, RTN_BLACKHOLE },
	{ ROUTE_UNREACHABLE, RTN_UNREACHABLE },
	{ ROUTE_PROHIBIT, RTN_PROHIBIT },
};

static uint8_t rtn_of(enum route_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(route_types); i++) {
		if (route_types[i].type == type)
			return route_types[i].rtn;
	}
	return RTN_UNICAST;
}

static enum route_type type_of(uint8_t rtn)
{
	for (size_t i = 0; i < ARRAY_SIZE(route_types); i++) {
		if (route_types[i].rtn == rtn)
			return route_types[i].type;
	}
	return ROUTE_OTHER;
}

void route_key(char *key, uint8_t family, uint32_t table, const void *dst, uint8_t prefix_length,
	uint32_t metric, uint8_t tos)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, dst, text, sizeof(text));
	snprintf(key, ROUTE_KEY_MAX, "%u %s/%u %u %u", table, text, prefix_length, metric, tos);
}

static enum object_diff route_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct route *a = (const struct route *)want, *b = (const struct route *)have;

	if (kernel_is_recording())
		return OBJECT_SAME;
	if (a->type != b->type || a->has_gateway != b->has_gateway ||
		b->protocol != KERNEL_PROTOCOL)
		return OBJECT_CHANGE;
	if (a->has_gateway &&
		(a->gateway_family != b->gateway_family ||
			memcmp(&a->gateway, &b->gateway, addr_size(a->gateway_family))))
		return OBJECT_CHANGE;
	return *a->link && !str_equal(a->link, b->link) ? OBJECT_CHANGE : OBJECT_SAME;
}

static void route_describe(const struct object *object, char *text, size_t size)
{
	const struct route *route = (const struct route *)object;
	char dst[INET6_ADDRSTRLEN] = "", gateway[INET6_ADDRSTRLEN] = "";

	inet_ntop(route->family, &route->dst, dst, sizeof(dst));
	if (route->has_gateway)
		inet_ntop(route->gateway_family, &route->gateway, gateway, sizeof(gateway));
	snprintf(text, size, "route %s/%u%s%s%s%s", dst, route->prefix_length,
		*gateway ? " via " : "", gateway, *route->link ? " dev " : "", route->link);
}

static enum object_owner route_owner(const struct object *have)
{
	switch (((const struct route *)have)->protocol) {
	case KERNEL_PROTOCOL:
		return OBJECT_OURS;
	case RTPROT_KERNEL:
	case RTPROT_RA:
	case RTPROT_REDIRECT:
		return OBJECT_LEARNED;
	default:
		return OBJECT_FOREIGN;
	}
}

static size_t route_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct route *)have)->link;
	return *ret_names[0] ? 1 : 0;
}

const struct object_kind object_kind_route = {
	.name = "route",
	.rank = KERNEL_RANK_ROUTE,
	.size = sizeof(struct route),
	.target = &kernel_target,
	.compare = route_compare,
	.describe = route_describe,
	.owner = route_owner,
	.groups = route_groups,
};

/* --- writing ---------------------------------------------------------------------------------- */

static void put_next_hop(struct nlmsghdr *nlh, const struct route *route, uint32_t ifindex)
{
	if (route->has_gateway && route->gateway_family == route->family) {
		mnl_attr_put(nlh, RTA_GATEWAY, addr_size(route->family), &route->gateway);
	} else if (route->has_gateway) {
		struct {
			uint16_t family;
			uint8_t address[sizeof(struct in6_addr)];
		} __attribute__((packed)) via = { .family = route->gateway_family };

		memcpy(via.address, &route->gateway, addr_size(route->gateway_family));
		mnl_attr_put(
			nlh, RTA_VIA, sizeof(via.family) + addr_size(route->gateway_family), &via);
	}
	if (ifindex)
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
}

static int route_encode(struct nl_batch *batch, struct step *step)
{
	const struct route *route = (const struct route *)(step->want ? step->want : step->have);
	bool removes = step->op == STEP_REMOVE;
	struct nl *nl = nl_of("");
	uint32_t ifindex = *route->link ? link_index(route->link, &nl) : 0;
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;

	if (*route->link && !ifindex) {
		if (removes)
			return 0; /* went with its link */
		return err_set(&step->err, -ENODEV, NULL, "%s does not exist", route->link);
	}
	nlh = nl_batch_begin(batch, nl, removes ? RTM_DELROUTE : RTM_NEWROUTE,
		removes			       ? 0
			: step->op == STEP_ADD ? NLM_F_CREATE | NLM_F_EXCL
					       : NLM_F_CREATE | NLM_F_REPLACE,
		step, removes ? ESRCH : 0);
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = route->family;
	rtm->rtm_dst_len = route->prefix_length;
	rtm->rtm_tos = route->tos;
	rtm->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = step->have && removes ? ((const struct route *)step->have)->protocol
		: route->protocol		  ? route->protocol
						  : KERNEL_PROTOCOL;
	rtm->rtm_type = rtn_of(route->type);
	rtm->rtm_scope =
		route->family == AF_INET6 || route->has_gateway || route->type != ROUTE_UNICAST
		? RT_SCOPE_UNIVERSE
		: RT_SCOPE_LINK;
	mnl_attr_put(nlh, RTA_DST, addr_size(route->family), &route->dst);
	mnl_attr_put_u32(nlh, RTA_TABLE, route->table);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	put_next_hop(nlh, route, route->type == ROUTE_UNICAST ? ifindex : 0);
	nl_batch_end(batch);
	return 0;
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

static void take_first_hop(struct route *route, const struct nlattr *hops, uint32_t *ifindex)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(hops);
	const struct nlattr *attr;

	if (mnl_attr_get_payload_len(hops) < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) ||
		hop->rtnh_len > mnl_attr_get_payload_len(hops))
		return;
	*ifindex = (uint32_t)hop->rtnh_ifindex;
	mnl_attr_for_each_payload(
		(const void *)((const char *)hop + sizeof(*hop)), hop->rtnh_len - sizeof(*hop))
	{
		if (mnl_attr_get_type(attr) == RTA_GATEWAY &&
			mnl_attr_get_payload_len(attr) == addr_size(route->family)) {
			route->has_gateway = true;
			route->gateway_family = route->family;
			memcpy(&route->gateway, mnl_attr_get_payload(attr),
				addr_size(route->family));
		}
	}
}

static void take_via(struct route *route, const struct nlattr *attr)
{
	uint16_t family, size = mnl_attr_get_payload_len(attr);

	if (size < sizeof(family))
		return;
	memcpy(&family, mnl_attr_get_payload(attr), sizeof(family));
	if ((family != AF_INET && family != AF_INET6) ||
		size != sizeof(family) + addr_size((uint8_t)family))
		return;
	route->has_gateway = true;
	route->gateway_family = (uint8_t)family;
	memcpy(&route->gateway, (const char *)mnl_attr_get_payload(attr) + sizeof(family),
		addr_size((uint8_t)family));
}

static void take_attributes(struct route *route, const struct nlmsghdr *nlh, uint32_t *ifindex)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct rtmsg)) {
		uint16_t type = mnl_attr_get_type(attr), size = mnl_attr_get_payload_len(attr);
		const void *data = mnl_attr_get_payload(attr);

		if (type == RTA_DST && size == addr_size(route->family)) {
			memcpy(&route->dst, data, size);
		} else if (type == RTA_GATEWAY && size == addr_size(route->family)) {
			route->has_gateway = true;
			route->gateway_family = route->family;
			memcpy(&route->gateway, data, size);
		} else if (type == RTA_VIA) {
			take_via(route, attr);
		} else if (type == RTA_OIF && size == sizeof(uint32_t)) {
			*ifindex = mnl_attr_get_u32(attr);
		} else if (type == RTA_PRIORITY && size == sizeof(uint32_t)) {
			route->metric = mnl_attr_get_u32(attr);
		} else if (type == RTA_TABLE && size == sizeof(uint32_t)) {
			route->table = mnl_attr_get_u32(attr);
		} else if (type == RTA_MULTIPATH) {
			take_first_hop(route, attr, ifindex);
		}
	}
}

/* An IPv6 prefix of the kernel's own stands once a link (fe80::/64): the link is part of its key. */
static void observed_key(char *key, size_t size, const struct route *route)
{
	route_key(key, route->family, route->table, &route->dst, route->prefix_length,
		route->metric, route->tos);
	if (route->family == AF_INET6 && route->protocol != KERNEL_PROTOCOL) {
		size_t length = strlen(key);

		snprintf(key + length, size - length, " %s", route->link);
	}
}

static bool is_shown(const struct rtmsg *rtm, const struct route *route)
{
	return route->table == RT_TABLE_MAIN && route->type != ROUTE_OTHER &&
		!(rtm->rtm_flags & RTM_F_CLONED) &&
		!(route->family == AF_INET6 && route->dst.in6.s6_addr[0] == 0xff);
}

static void route_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route parsed = { .family = 0 }, *route;
	const struct route *before;
	char key[ROUTE_KEY_MAX + KERNEL_NAME_MAX];
	uint32_t ifindex = 0;
	const char *name;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
		(rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
		(*nl->netns && rtm->rtm_protocol != KERNEL_PROTOCOL))
		return;
	parsed.family = rtm->rtm_family;
	parsed.prefix_length = rtm->rtm_dst_len;
	parsed.tos = rtm->rtm_tos;
	parsed.table = rtm->rtm_table;
	parsed.protocol = rtm->rtm_protocol;
	parsed.scope = rtm->rtm_scope;
	parsed.flags = rtm->rtm_flags;
	parsed.type = type_of(rtm->rtm_type);
	take_attributes(&parsed, nlh, &ifindex);
	name = ifindex ? nl_name_of(nl, ifindex) : NULL;
	if (name)
		snprintf(parsed.link, sizeof(parsed.link), "%s", name);
	if (!is_shown(rtm, &parsed))
		return;
	observed_key(key, sizeof(key), &parsed);
	before = have_get(have_all(), &object_kind_route, key);
	if (nlh->nlmsg_type == RTM_DELROUTE) {
		/* A replaced route's old form may be told of after its new one. */
		if (before && before->protocol == parsed.protocol)
			have_remove(&object_kind_route, key);
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
	struct rtmsg *rtm;
	int r;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_DUMP;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_table = RT_TABLE_MAIN;
	mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
	for (size_t i = 0; i < 2; i++) {
		rtm->rtm_family = i ? AF_INET6 : AF_INET;
		r = nl_request(nl, nlh, take_route, nl);
		if (r < 0 && r != -ENOENT) /* no such table yet */
			return err_set(err, r, NULL, "reading routes: %s", strerror(-r));
	}
	return 0;
}

void route_link_down(const char *name)
{
	void *const *objects;
	size_t count = have_group(have_all(), &object_kind_route, name, &objects), gone = 0;
	char **keys = xcalloc(count + 1, sizeof(*keys));

	for (size_t i = 0; i < count; i++) {
		const struct route *route = objects[i];

		if (route->family == AF_INET)
			keys[gone++] = xstrdup(route->object.key);
	}
	for (size_t i = 0; i < gone; i++) {
		have_remove(&object_kind_route, keys[i]);
		free(keys[i]);
	}
	free(keys);
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
