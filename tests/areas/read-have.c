/*
 * Observed objects from text, one a line:
 *
 *	link NAME [field=value …]
 *	address LINK ADDRESS/LENGTH [protocol=N] [flags=N]
 *	neighbour LINK ADDRESS MAC [protocol=N]
 *	route PREFIX/LENGTH [field=value …]
 *	vlan LINK VID [untagged] [pvid]
 *	ethernet LINK [field=value …]
 *	frames LINK [counter=value …]
 *	hostname NAME
 *	machine foreign
 */
#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/containers.h"
#include "ashlar/kernel.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "areas.h"

static const char *where;

static void __attribute__((noreturn)) bad(const char *what)
{
	fprintf(stderr, "%s: cannot read \"%s\"\n", where, what);
	exit(2);
}

/* The next word of the line; NULL at its end. */
static char *word(char **line)
{
	char *text;

	while ((text = strsep(line, " \t"))) {
		if (*text)
			return text;
	}
	return NULL;
}

static uint64_t number(const char *text)
{
	uint64_t value;

	if (str_u64(text, 0, UINT64_MAX, &value) < 0)
		bad(text);
	return value;
}

static void name(char *to, const char *text)
{
	if (str_copy(to, KERNEL_NAME_MAX, text) < 0)
		bad(text);
}

static void link_kind(struct link *link, const char *text)
{
	const struct link_kind *kinds[] = { &link_kind_bridge, &link_kind_vlan, &link_kind_veth,
		&link_kind_dummy, &link_kind_bond };

	snprintf(link->kind_name, sizeof(link->kind_name), "%s", text);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_equal(link_kind_name(kinds[i]), text))
			link->kind = kinds[i];
	}
	if (link->kind == &link_kind_vlan)
		link->vlan.protocol = ETHERTYPE_VLAN;
}

static void link_flag(struct link *link, const char *flag)
{
	if (str_equal(flag, "up"))
		link->flags |= IFF_UP;
	else if (str_equal(flag, "running"))
		link->flags |= IFF_RUNNING;
	else if (str_equal(flag, "loopback"))
		link->flags |= IFF_LOOPBACK, link->arptype = ARPHRD_LOOPBACK;
	else if (str_equal(flag, "dsa"))
		link->is_dsa = true;
	else if (str_equal(flag, "usb"))
		link->is_usb = true;
	else if (str_equal(flag, "vlan_filtering"))
		link->bridge.vlan_filtering = true;
	else if (str_equal(flag, "stp"))
		link->bridge.stp = true;
	else if (str_equal(flag, "active"))
		link->bond_port.is_active = true;
	else if (str_equal(flag, "forwarding4"))
		link->ipv4_forwarding = true;
	else if (str_equal(flag, "forwarding6"))
		link->ipv6_forwarding = true;
	else
		bad(flag);
}

static bool link_name(struct link *link, const char *field, const char *value)
{
	if (str_equal(field, "master"))
		name(link->master, value);
	else if (str_equal(field, "peer"))
		name(link->veth.peer, value);
	else if (str_equal(field, "lower"))
		name(link->vlan.lower, value);
	else if (str_equal(field, "alias"))
		link_put_text(&link->alias, value);
	else if (str_equal(field, "kind"))
		link_kind(link, value);
	else if (str_equal(field, "mac"))
		link->has_mac = !str_parse_mac(value, link->mac);
	else if (str_equal(field, "perm_mac"))
		return str_parse_mac(value, link->perm_mac) == 0;
	else if (str_equal(field, "partner_mac"))
		return str_parse_mac(value, link->bond.partner_mac) == 0;
	else
		return false;
	return true;
}

static bool bond_number(struct link *link, const char *field, uint64_t value)
{
	struct link_bond_port *port = &link->bond_port;
	struct link_bond *bond = &link->bond;

	if (str_equal(field, "mode"))
		bond->mode = (uint8_t)value;
	else if (str_equal(field, "hash"))
		bond->hash = (uint8_t)value;
	else if (str_equal(field, "aggregator"))
		bond->aggregator = (uint16_t)value;
	else if (str_equal(field, "actor_key"))
		bond->actor_key = (uint16_t)value;
	else if (str_equal(field, "partner_key"))
		bond->partner_key = (uint16_t)value;
	else if (str_equal(field, "failures"))
		port->failures = (uint32_t)value;
	else if (str_equal(field, "port_aggregator"))
		port->aggregator = (uint16_t)value;
	else if (str_equal(field, "actor_state"))
		port->actor_state = (uint8_t)value;
	else if (str_equal(field, "partner_state"))
		port->partner_state = (uint8_t)value;
	else
		return false;
	return true;
}

static void link_number(struct link *link, const char *field, uint64_t value)
{
	if (bond_number(link, field, value))
		return;
	if (str_equal(field, "ifindex"))
		link->ifindex = (uint32_t)value;
	else if (str_equal(field, "oper"))
		link->operstate = (uint8_t)value;
	else if (str_equal(field, "mtu"))
		link->mtu = (uint32_t)value;
	else if (str_equal(field, "speed"))
		link->speed_mbps = (uint32_t)value;
	else if (str_equal(field, "duplex"))
		link->duplex = (uint8_t)value;
	else if (str_equal(field, "autoneg"))
		link->autoneg = (uint8_t)value;
	else if (str_equal(field, "changed"))
		link->last_change_ms = value;
	else if (str_equal(field, "id"))
		link->vlan.id = (uint16_t)value;
	else if (str_equal(field, "state"))
		link->port.state = (uint8_t)value;
	else if (str_equal(field, "priority"))
		link->bridge.stp_priority = (uint16_t)value;
	else if (str_equal(field, "groups"))
		link->bridge.group_fwd_mask = (uint16_t)value;
	else
		bad(field);
}

/* Counters, all different: rx_packets = 10 * seed + 1 … */
static void link_counters(struct link *link, uint64_t seed)
{
	struct link_stats *stats = XNEW(struct link_stats);
	uint64_t *counters[] = { &stats->rx_packets, &stats->rx_multicast, &stats->rx_bytes,
		&stats->rx_errors, &stats->rx_dropped, &stats->rx_nohandler, &stats->tx_packets,
		&stats->tx_bytes, &stats->tx_errors, &stats->tx_dropped };

	free(link->stats);
	link->stats = stats;
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		*counters[i] = seed + (i == 0 || i == 6 ? 1000 : 0) + i;
}

static void read_link(char *line)
{
	char *key = word(&line), *field;
	struct link *link = object_new(&object_kind_link, key ? key : "");

	link->arptype = ARPHRD_ETHER;
	link->set = (1U << LINK_ATTRS) - 1;
	link->duplex = link->autoneg = 0xff;
	while ((field = word(&line))) {
		char *value = strchr(field, '=');

		if (value)
			*value++ = '\0';
		if (!value)
			link_flag(link, field);
		else if (str_equal(field, "counters"))
			link_counters(link, number(value));
		else if (!link_name(link, field, value))
			link_number(link, field, number(value));
	}
	if (link->flags & IFF_UP)
		have_put(object_new(&object_kind_link_up, link->object.key));
	have_put(&link->object);
}

static uint8_t read_prefix(char *text, void *addr, uint8_t *ret_length)
{
	char *slash = strchr(text, '/');
	uint8_t family = strchr(text, ':') ? AF_INET6 : AF_INET;

	if (!slash)
		bad(text);
	*slash = '\0';
	*ret_length = (uint8_t)number(slash + 1);
	if (inet_pton(family, text, addr) != 1)
		bad(text);
	return family;
}

static void read_address(char *line)
{
	char key[ADDRESS_KEY_MAX], *link = word(&line), *text = word(&line), *field;
	struct in6_addr addr = { 0 };
	struct address *address;
	uint8_t length, family;

	if (!link || !text)
		bad("address");
	family = read_prefix(text, &addr, &length);
	address_key(key, link, family, &addr, length);
	address = object_new(&object_kind_address, key);
	name(address->link, link);
	address->family = family;
	address->prefix_length = length;
	memcpy(&address->in6, &addr, family == AF_INET6 ? 16 : 4);
	while ((field = word(&line))) {
		if (str_starts(field, "protocol="))
			address->protocol = (uint8_t)number(strchr(field, '=') + 1);
		else if (str_starts(field, "flags="))
			address->flags = (uint32_t)number(strchr(field, '=') + 1);
		else
			bad(field);
	}
	have_put(&address->object);
}

static void read_neighbour(char *line)
{
	char key[NEIGHBOUR_KEY_MAX], *link = word(&line), *text = word(&line), *mac = word(&line),
				     *field = word(&line);
	uint8_t family = text && strchr(text, ':') ? AF_INET6 : AF_INET;
	struct in6_addr addr = { 0 };
	struct neighbour *neighbour;

	if (!link || !text || !mac || inet_pton(family, text, &addr) != 1)
		bad("neighbour");
	neighbour_key(key, link, family, &addr);
	neighbour = object_new(&object_kind_neighbour, key);
	name(neighbour->link, link);
	neighbour->family = family;
	neighbour->in6 = addr;
	neighbour->state = NUD_PERMANENT;
	neighbour->has_mac = str_parse_mac(mac, neighbour->mac) == 0;
	if (field && str_starts(field, "protocol="))
		neighbour->protocol = (uint8_t)number(strchr(field, '=') + 1);
	have_put(&neighbour->object);
}

static void read_hop(struct route_hop *hop, const char *value)
{
	hop->gateway_family = strchr(value, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(hop->gateway_family, value, &hop->gateway) != 1)
		bad("via");
}

/* via=, link=, weight= and flags= are of the next hop that began last. */
static void route_field(struct route *route, const char *field, const char *value)
{
	struct route_hop *hop = route_hop(route, route->other_count);

	if (str_equal(field, "via")) {
		read_hop(hop, value);
	} else if (str_equal(field, "next")) {
		read_hop(route_add_hop(route), value);
	} else if (str_equal(field, "weight")) {
		hop->weight = (uint16_t)number(value);
	} else if (str_equal(field, "link")) {
		name(hop->link, value);
	} else if (str_equal(field, "metric")) {
		route->metric = (uint32_t)number(value);
	} else if (str_equal(field, "protocol")) {
		route->protocol = (uint8_t)number(value);
	} else if (str_equal(field, "table")) {
		route->table = (uint32_t)number(value);
	} else if (str_equal(field, "type")) {
		route->type = (enum route_type)number(value);
	} else if (str_equal(field, "flags")) {
		hop->flags = (uint8_t)number(value);
	} else if (str_equal(field, "seen")) {
		route->seen_ms = number(value);
	} else {
		bad(field);
	}
}

static void read_route(char *line)
{
	char key[ROUTE_KEY_MAX], *text = word(&line), *field;
	struct route parsed = { .table = RT_TABLE_MAIN }, *route;

	if (!text)
		bad("route");
	parsed.family = read_prefix(text, &parsed.dst, &parsed.prefix_length);
	while ((field = word(&line))) {
		char *value = strchr(field, '=');

		if (!value)
			bad(field);
		*value++ = '\0';
		route_field(&parsed, field, value);
	}
	route_key(key, parsed.family, parsed.table, &parsed.dst, parsed.prefix_length,
		parsed.metric, 0);
	route = object_new(&object_kind_route, key);
	parsed.object = route->object;
	*route = parsed;
	have_put(&route->object);
}

static void read_vlan(char *line)
{
	char key[BRIDGE_VLAN_KEY_MAX], *link = word(&line), *vid = word(&line), *flag;
	struct bridge_vlan *vlan;

	if (!link || !vid)
		bad("vlan");
	bridge_vlan_key(key, link, (uint16_t)number(vid));
	vlan = object_new(&object_kind_bridge_vlan, key);
	name(vlan->link, link);
	vlan->vid = (uint16_t)number(vid);
	while ((flag = word(&line))) {
		vlan->is_untagged |= str_equal(flag, "untagged");
		vlan->is_pvid |= str_equal(flag, "pvid");
	}
	have_put(&vlan->object);
}

/* Numbers of link modes, with commas: "0,3,6". */
static void read_modes(struct ethernet_modes *modes, char *text)
{
	const char *number_text;

	while ((number_text = strsep(&text, ",")))
		ethernet_modes_add(modes, (int)number(number_text));
}

static void ethernet_field(struct ethernet *port, const char *field, char *value)
{
	if (str_equal(field, "supported"))
		read_modes(&port->supported, value);
	else if (str_equal(field, "offered"))
		read_modes(&port->offered, value);
	else if (str_equal(field, "peer"))
		read_modes(&port->peer, value);
	else if (str_equal(field, "speed"))
		port->speed_mbps = (uint32_t)number(value);
	else if (str_equal(field, "duplex"))
		port->duplex = (uint8_t)number(value);
	else if (str_equal(field, "autoneg"))
		port->autoneg = (uint8_t)number(value);
	else if (str_equal(field, "mdix"))
		port->mdix = (uint8_t)number(value);
	else if (str_equal(field, "pause"))
		port->pause_rx = number(value) & 1, port->pause_tx = number(value) & 2;
	else if (str_equal(field, "negotiates_pause"))
		port->negotiates_pause = number(value);
	else
		bad(field);
}

static void read_ethernet(char *line)
{
	char *key = word(&line), *field;
	struct ethernet *port = object_new(&object_kind_ethernet, key ? key : "");

	port->set = (1U << ETHERNET_ATTRS) - 1;
	while ((field = word(&line))) {
		char *value = strchr(field, '=');

		if (!value)
			bad(field);
		*value++ = '\0';
		ethernet_field(port, field, value);
	}
	have_put(&port->object);
}

/* Counters by their number in enum ethernet_counter. */
static void read_frames(char *line)
{
	char *key = word(&line), *field;
	struct ethernet_counters *counters =
		object_new(&object_kind_ethernet_counters, key ? key : "");

	while ((field = word(&line))) {
		char *value = strchr(field, '=');
		uint64_t at;

		if (!value)
			bad(field);
		*value++ = '\0';
		at = number(field);
		if (at >= ETHERNET_COUNTERS)
			bad(field);
		counters->values[at] = number(value);
		counters->known |= 1U << at;
	}
	have_put(&counters->object);
}

static void read_hostname(char *line)
{
	struct hostname *hostname = object_new(&object_kind_hostname, HOSTNAME_KEY);
	const char *text = word(&line);

	if (!text || str_copy(hostname->name, sizeof(hostname->name), text) < 0)
		bad("hostname");
	have_put(&hostname->object);
}

/* It is the daemon's own when nothing is said. */
static void read_machine(char *line)
{
	if (!str_equal(word(&line), "foreign"))
		bad("machine");
	have_remove(&object_kind_machine, MACHINE_KEY);
}

/* "_" in a text stands for a blank. */
static char *words_of(const char *value)
{
	char *text = xstrdup(value), *at;

	for (at = text; *at; at++) {
		if (*at == '_')
			*at = ' ';
	}
	return text;
}

static bool container_usage(struct container_usage *usage, const char *field, uint64_t value)
{
	const struct {
		const char *name;
		enum container_usage_item item;
		uint64_t *to;
	} fields[] = {
		{ "memory", CONTAINER_USAGE_MEMORY, &usage->memory_bytes },
		{ "read", CONTAINER_USAGE_IO, &usage->read_bytes },
		{ "write", CONTAINER_USAGE_IO, &usage->write_bytes },
		{ "received", CONTAINER_USAGE_NET, &usage->received_bytes },
		{ "sent", CONTAINER_USAGE_NET, &usage->sent_bytes },
		{ "pids", CONTAINER_USAGE_PIDS, &usage->pids },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (str_equal(fields[i].name, field)) {
			*fields[i].to = value;
			usage->set |= 1U << fields[i].item;
			return true;
		}
	}
	if (!str_equal(field, "cpu"))
		return false;
	usage->cpu_centipercent = (uint32_t)value;
	usage->set |= 1U << CONTAINER_USAGE_CPU;
	return true;
}

static void read_container(char *line)
{
	char *key = word(&line), *field;
	struct container *container = object_new(&object_kind_container, key ? key : "");

	while ((field = word(&line))) {
		char *value = strchr(field, '=');

		if (!value)
			bad(field);
		*value++ = '\0';
		if (str_equal(field, "state"))
			container->state = (enum container_state)number(value);
		else if (str_equal(field, "status"))
			container->status = words_of(value);
		else if (str_equal(field, "cmdline"))
			container->cmdline = words_of(value);
		else if (str_equal(field, "id"))
			container->id = xstrdup(value);
		else if (str_equal(field, "image"))
			snprintf(container->image_id, sizeof(container->image_id), "%s", value);
		else if (str_equal(field, "interface"))
			container_add_interface(container, value);
		else if (!container_usage(&container->usage, field, number(value)))
			bad(field);
	}
	have_put(&container->object);
}

void read_have(char *text, const char *file)
{
	static const struct {
		const char *kind;
		void (*read)(char *line);
	} readers[] = { { "link", read_link }, { "address", read_address },
		{ "neighbour", read_neighbour }, { "route", read_route }, { "vlan", read_vlan },
		{ "container", read_container }, { "ethernet", read_ethernet },
		{ "frames", read_frames }, { "hostname", read_hostname },
		{ "machine", read_machine } };
	char *line;

	where = file;
	while ((line = strsep(&text, "\n"))) {
		char *kind = *line == '#' ? NULL : word(&line);
		size_t i;

		if (!kind)
			continue;
		for (i = 0; i < ARRAY_SIZE(readers); i++) {
			if (str_equal(readers[i].kind, kind))
				break;
		}
		if (i == ARRAY_SIZE(readers))
			bad(kind);
		readers[i].read(line);
	}
}
