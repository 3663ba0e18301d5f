/*
 * Routes as the kernel tells them: one message into a struct route, and all of the main table one after the
 * other, of which none is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"
#include "nl-dump.h"
#include "route.h"

/* --- one message ------------------------------------------------------------------------------ */

static enum route_type type_of(uint8_t rtn)
{
	switch (rtn) {
	case RTN_UNICAST:
		return ROUTE_UNICAST;
	case RTN_BLACKHOLE:
		return ROUTE_BLACKHOLE;
	case RTN_UNREACHABLE:
		return ROUTE_UNREACHABLE;
	case RTN_PROHIBIT:
		return ROUTE_PROHIBIT;
	case RTN_LOCAL:
		return ROUTE_RECEIVE;
	default:
		return ROUTE_OTHER;
	}
}

static void take_gateway(struct route_hop *hop, uint8_t family, const void *data, size_t size)
{
	if (size != route_address_size(family))
		return;
	hop->gateway_family = family;
	memcpy(&hop->gateway, data, size);
}

static void take_via(struct route_hop *hop, const struct nlattr *attr)
{
	uint16_t family, size = mnl_attr_get_payload_len(attr);
	const char *data = mnl_attr_get_payload(attr);

	if (size < sizeof(family))
		return;
	memcpy(&family, data, sizeof(family));
	if (family == AF_INET || family == AF_INET6)
		take_gateway(hop, (uint8_t)family, data + sizeof(family), size - sizeof(family));
}

static void take_link(struct nl *nl, struct route_hop *hop, uint32_t ifindex)
{
	const char *name = ifindex ? nl_name_of(nl, ifindex) : NULL;

	if (name)
		snprintf(hop->link, sizeof(hop->link), "%s", name);
}

static void take_hop_attribute(struct route_hop *hop, uint8_t family, const struct nlattr *attr)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type == RTA_GATEWAY)
		take_gateway(
			hop, family, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	else if (type == RTA_VIA)
		take_via(hop, attr);
}

static void take_several(struct nl *nl, struct route *route, const struct nlattr *list)
{
	const char *at = mnl_attr_get_payload(list);
	size_t left = mnl_attr_get_payload_len(list);

	for (size_t i = 0; left >= sizeof(struct rtnexthop); i++) {
		const struct rtnexthop *entry = (const void *)at;
		size_t size = entry->rtnh_len;
		struct route_hop *hop;
		const struct nlattr *attr;

		if (size < sizeof(*entry) || size > left || route->other_count == UINT16_MAX)
			return;
		hop = i ? route_add_hop(route) : &route->hop;
		hop->weight = (uint16_t)(entry->rtnh_hops + 1);
		hop->flags = entry->rtnh_flags;
		take_link(nl, hop, (uint32_t)entry->rtnh_ifindex);
		mnl_attr_for_each_payload((const void *)(at + sizeof(*entry)),
			size - sizeof(*entry)) take_hop_attribute(hop, route->family, attr);
		size = RTNH_ALIGN(size);
		at += size;
		left -= size < left ? size : left;
	}
}

static void take_attribute(struct nl *nl, struct route *route, const struct nlattr *attr)
{
	uint16_t type = mnl_attr_get_type(attr), size = mnl_attr_get_payload_len(attr);

	if (type == RTA_DST && size == route_address_size(route->family))
		memcpy(&route->dst, mnl_attr_get_payload(attr), size);
	else if (type == RTA_OIF && size == sizeof(uint32_t))
		take_link(nl, &route->hop, mnl_attr_get_u32(attr));
	else if (type == RTA_PRIORITY && size == sizeof(uint32_t))
		route->metric = mnl_attr_get_u32(attr);
	else if (type == RTA_TABLE && size == sizeof(uint32_t))
		route->table = mnl_attr_get_u32(attr);
	else if (type == RTA_MULTIPATH)
		take_several(nl, route, attr);
	else
		take_hop_attribute(&route->hop, route->family, attr);
}

static bool is_shown(const struct route *route)
{
	return route->table == RT_TABLE_MAIN && route->type != ROUTE_OTHER &&
		!(route->family == AF_INET6 && route->dst.in6.s6_addr[0] == 0xff);
}

bool route_parse(struct nl *nl, const struct nlmsghdr *nlh, struct route *ret_route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
		(rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
		rtm->rtm_flags & RTM_F_CLONED)
		return false;
	*ret_route = (struct route){
		.family = rtm->rtm_family,
		.prefix_length = rtm->rtm_dst_len,
		.tos = rtm->rtm_tos,
		.table = rtm->rtm_table,
		.protocol = rtm->rtm_protocol,
		.scope = rtm->rtm_scope,
		.type = type_of(rtm->rtm_type),
		.hop = { .flags = (uint8_t)rtm->rtm_flags, .weight = 1 },
	};
	mnl_attr_for_each (attr, nlh, sizeof(*rtm))
		take_attribute(nl, ret_route, attr);
	if (is_shown(ret_route))
		return true;
	free(ret_route->others);
	return false;
}

void route_request(struct nlmsghdr *nlh, uint8_t family, uint8_t protocol)
{
	struct rtmsg *rtm;

	(void)mnl_nlmsg_put_header(nlh);
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = protocol;
	mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
}

/* --- all of them ------------------------------------------------------------------------------ */

struct route_reader {
	struct nl *nl;
	struct route_select select;
	uint8_t family;
	struct nl_dump *dump; /* NULL: those in have */
	struct route route;   /* at hand, of the dump */
	const struct route **list;
	size_t count, room, at;
	/* The destination at hand, and whether one of its routes is in use. */
	struct in6_addr dst;
	int prefix_length;
	bool has_active;
};

static int compare(const void *a, const void *b)
{
	const struct route *p = *(const struct route *const *)a,
			   *q = *(const struct route *const *)b;
	int order = memcmp(&p->dst, &q->dst, route_address_size(p->family));

	if (!order)
		order = (int)p->prefix_length - (int)q->prefix_length;
	if (!order)
		order = p->metric < q->metric ? -1 : p->metric > q->metric;
	return order ? order : strcmp(p->object.key, q->object.key);
}

static void list_have(struct route_reader *reader)
{
	const struct route *route;
	size_t at = 0;

	while ((route = have_next(have_all(), &object_kind_route, &at))) {
		if (route->family != reader->family || !is_shown(route))
			continue;
		ARRAY_GROW(reader->list, reader->count, reader->room);
		reader->list[reader->count++] = route;
	}
	if (reader->count)
		qsort(reader->list, reader->count, sizeof(*reader->list), compare);
}

static int begin_dump(struct route_reader *reader, struct err *err)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = (struct nlmsghdr *)buffer;

	route_request(nlh, reader->family, RTPROT_UNSPEC);
	return nl_dump_new(nlh, &reader->dump, err);
}

int route_reader_new(uint8_t family, const struct route_select *select,
	struct route_reader **ret_reader, struct err *err)
{
	struct route_reader *reader = XNEW(struct route_reader);
	int r = 0;

	reader->nl = nl_of("");
	reader->family = family;
	reader->select = *select;
	reader->prefix_length = -1;
	if (select->is_ours_only || !reader->nl)
		list_have(reader);
	else
		r = begin_dump(reader, err);
	if (r < 0) {
		route_reader_free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void route_reader_free(struct route_reader *reader)
{
	if (!reader)
		return;
	nl_dump_free(reader->dump);
	free(reader->route.others);
	free(reader->list);
	free(reader);
}

/* Without a look at the rest: of a million routes most are not asked for. */
static bool is_to_other(const struct route_reader *reader, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct route_select *select = &reader->select;
	const struct nlattr *attr;

	if (!select->has_dst || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return false;
	if (rtm->rtm_dst_len != select->prefix_length)
		return true;
	mnl_attr_for_each (attr, nlh, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_DST)
			return mnl_attr_get_payload_len(attr) !=
				route_address_size(reader->family) ||
				memcmp(mnl_attr_get_payload(attr), &select->dst,
					route_address_size(reader->family));
	}
	return false;
}

static int next_of_dump(
	struct route_reader *reader, const struct route **ret_route, struct err *err)
{
	const struct nlmsghdr *nlh;
	int r;

	free(TAKE(reader->route.others));
	*ret_route = NULL;
	while ((r = nl_dump_next(reader->dump, &nlh)) > 0 && nlh) {
		if (is_to_other(reader, nlh) || !route_parse(reader->nl, nlh, &reader->route))
			continue;
		*ret_route = &reader->route;
		return 1;
	}
	return r < 0 ? err_set(err, r, NULL, "reading routes: %s", strerror(-r)) : r;
}

static int next_of_have(struct route_reader *reader, const struct route **ret_route)
{
	*ret_route = reader->at < reader->count ? reader->list[reader->at++] : NULL;
	return *ret_route != NULL;
}

static bool is_alive(const struct route *route)
{
	const struct route_hop *hop;

	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		if (!(hop->flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
			return true;
	}
	return false;
}

/* Of those to one destination the first that can be used. */
static bool is_in_use(struct route_reader *reader, const struct route *route)
{
	size_t size = route_address_size(route->family);

	if (route->prefix_length != reader->prefix_length ||
		memcmp(&route->dst, &reader->dst, size)) {
		reader->prefix_length = route->prefix_length;
		memcpy(&reader->dst, &route->dst, size);
		reader->has_active = false;
	}
	if (reader->has_active || !is_alive(route))
		return false;
	return reader->has_active = true;
}

static bool is_selected(const struct route_reader *reader, const struct route *route)
{
	const struct route_select *select = &reader->select;

	return (!select->has_dst ||
		       (route->prefix_length == select->prefix_length &&
			       !memcmp(&route->dst, &select->dst,
				       route_address_size(route->family)))) &&
		(!select->is_ours_only || route->protocol == KERNEL_PROTOCOL);
}

int route_reader_next(struct route_reader *reader, const struct route **ret_route,
	bool *ret_is_active, struct err *err)
{
	for (;;) {
		int r = reader->dump ? next_of_dump(reader, ret_route, err)
				     : next_of_have(reader, ret_route);

		if (r <= 0 || !*ret_route)
			return r;
		*ret_is_active = is_in_use(reader, *ret_route);
		if (is_selected(reader, *ret_route))
			return 1;
	}
}
