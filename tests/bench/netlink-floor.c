/*
 * The least that the kernel's part of a configuration takes: nothing but the messages, 16 KiB a send, the
 * last of each acknowledged. Prints nanoseconds.
 *
 *   make KIND COUNT       links f0, f1 ... (dummy, vlan on p1, veth with peers g0 ..., bond, gre ...): one batch, and
 *                         another that raises them
 *   remove KIND COUNT     the same links, by a group
 *   addresses LINKS EACH  on f0 ...; "addresses-remove" takes them away
 *   routes COUNT          through f0; "routes-remove" takes them away
 *   vlans PORT...         4,094 VLANs on each port; on the first, a bridge, for itself;
 *                         "vlans-remove" takes them away, the forwarding entries first
 *   dump                  all links with their counters
 *   dump-routes           all IPv4 routes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdbool.h>

#include "bench.h"

#define SEND_BYTES    16384
#define MESSAGE_BYTES 512
#define ROOM	      (SEND_BYTES + MESSAGE_BYTES)
#define RCVBUF_BYTES  (8 << 20)
#define GROUP	      77
#define VLAN_LAST     4094
#define GRE_LOCAL     6 /* of <linux/if_tunnel.h>, which <net/if.h> stands in the way of */
#define GRE_REMOTE    7

static struct {
	struct mnl_socket *socket;
	char data[ROOM];
	size_t size, last;
	uint32_t seq;
} self;

static void take_answer(void)
{
	char answer[32768];

	for (;;) {
		ssize_t size = mnl_socket_recvfrom(self.socket, answer, sizeof(answer));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)answer;
		int left = (int)size;

		if (size < 0)
			die("receive: %m");
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type == NLMSG_ERROR && error->error)
				die("message %u: %s", nlh->nlmsg_seq, strerror(-error->error));
			if (nlh->nlmsg_type == NLMSG_ERROR && nlh->nlmsg_seq == self.seq)
				return;
		}
	}
}

static void flush(void)
{
	if (!self.size)
		return;
	((struct nlmsghdr *)(self.data + self.last))->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(self.socket, self.data, self.size) < 0)
		die("send: %m");
	take_answer();
	self.size = 0;
}

static struct nlmsghdr *begin(uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(self.data + self.size, 0, MESSAGE_BYTES);
	nlh = mnl_nlmsg_put_header(self.data + self.size);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++self.seq;
	return nlh;
}

static void end(const struct nlmsghdr *nlh)
{
	self.last = self.size;
	self.size += NLMSG_ALIGN(nlh->nlmsg_len);
	if (self.size >= SEND_BYTES)
		flush();
}

/* --- links ------------------------------------------------------------------------------------- */

static struct ifinfomsg *put_link(struct nlmsghdr *nlh, const char *prefix, unsigned number)
{
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "%s%u", prefix, number);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return ifi;
}

static void put_veth(struct nlmsghdr *nlh, unsigned number)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA), *peer;

	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	put_link(nlh, "g", number);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
}

static void put_data(struct nlmsghdr *nlh, const char *kind, unsigned number)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);

	if (!strcmp(kind, "vlan")) {
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, (uint16_t)(number + 1));
	} else if (!strcmp(kind, "vxlan")) {
		mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, number + 1);
		mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, htons(4789));
	} else if (!strcmp(kind, "gre")) {
		mnl_attr_put_u32(nlh, GRE_LOCAL, htonl(0xc6336401));
		mnl_attr_put_u32(nlh, GRE_REMOTE, htonl(0xcb007100 + number));
	}
	mnl_attr_nest_end(nlh, data);
}

static bool has_data(const char *kind)
{
	return !strcmp(kind, "vlan") || !strcmp(kind, "vxlan") || !strcmp(kind, "gre");
}

static void make(const char *kind, unsigned count)
{
	unsigned lower = if_nametoindex("p1");

	for (unsigned i = 0; i < count; i++) {
		struct nlmsghdr *nlh = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
		struct nlattr *info;

		put_link(nlh, "f", i);
		if (!strcmp(kind, "vlan"))
			mnl_attr_put_u32(nlh, IFLA_LINK, lower);
		info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
		if (!strcmp(kind, "veth"))
			put_veth(nlh, i);
		if (has_data(kind))
			put_data(nlh, kind, i);
		mnl_attr_nest_end(nlh, info);
		end(nlh);
	}
	flush();
}

static void put_up(const char *prefix, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct nlmsghdr *nlh = begin(RTM_NEWLINK, 0);
		struct ifinfomsg *ifi = put_link(nlh, prefix, i);

		ifi->ifi_change = ifi->ifi_flags = IFF_UP;
		end(nlh);
	}
	flush();
}

static void remove_links(const char *kind, unsigned count)
{
	struct nlmsghdr *nlh;

	for (unsigned i = 0; i < count; i++) {
		nlh = begin(RTM_NEWLINK, 0);
		put_link(nlh, "f", i);
		mnl_attr_put_u32(nlh, IFLA_GROUP, GROUP);
		end(nlh);
	}
	nlh = begin(RTM_DELLINK, 0);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_GROUP, GROUP);
	end(nlh);
	flush();
}

/* --- addresses and routes ----------------------------------------------------------------------- */

static void addresses(uint16_t type, unsigned links, unsigned each)
{
	for (unsigned i = 0; i < links; i++) {
		char name[IFNAMSIZ];
		unsigned index;

		snprintf(name, sizeof(name), "f%u", i);
		index = if_nametoindex(name);
		for (unsigned k = 0; k < each; k++) {
			struct nlmsghdr *nlh =
				begin(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0);
			struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
			uint32_t address = htonl(0x0a000000 + (i * each + k) * 4 + 1);

			*ifa = (struct ifaddrmsg){
				.ifa_family = AF_INET, .ifa_prefixlen = 30, .ifa_index = index
			};
			mnl_attr_put_u32(nlh, IFA_LOCAL, address);
			mnl_attr_put_u32(nlh, IFA_ADDRESS, address);
			end(nlh);
		}
	}
	flush();
}

static void routes(uint16_t type, unsigned count)
{
	unsigned index = if_nametoindex("f0");

	for (unsigned i = 0; i < count; i++) {
		struct nlmsghdr *nlh =
			begin(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0);
		struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

		*rtm = (struct rtmsg){ .rtm_family = AF_INET,
			.rtm_dst_len = 30,
			.rtm_table = RT_TABLE_MAIN,
			.rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_LINK,
			.rtm_type = RTN_UNICAST };
		mnl_attr_put_u32(nlh, RTA_DST, htonl(0x0b000000 + i * 4));
		mnl_attr_put_u32(nlh, RTA_OIF, index);
		end(nlh);
	}
	flush();
}

/* --- VLANs of bridges ---------------------------------------------------------------------------- */

static void put_range(uint16_t type, unsigned index, bool is_bridge)
{
	struct nlmsghdr *nlh = begin(type, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct bridge_vlan_info first = { BRIDGE_VLAN_INFO_RANGE_BEGIN, 1 };
	struct bridge_vlan_info last = { BRIDGE_VLAN_INFO_RANGE_END, VLAN_LAST };
	struct nlattr *spec;

	ifi->ifi_family = AF_BRIDGE;
	ifi->ifi_index = (int)index;
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	if (is_bridge)
		mnl_attr_put_u16(nlh, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
	mnl_attr_put(nlh, IFLA_BRIDGE_VLAN_INFO, sizeof(first), &first);
	mnl_attr_put(nlh, IFLA_BRIDGE_VLAN_INFO, sizeof(last), &last);
	mnl_attr_nest_end(nlh, spec);
	end(nlh);
}

static void put_flush(unsigned index)
{
	struct nlmsghdr *nlh = begin(RTM_DELNEIGH, NLM_F_BULK);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	*ndm = (struct ndmsg){ .ndm_family = AF_BRIDGE,
		.ndm_ifindex = (int)index,
		.ndm_flags = NTF_MASTER,
		.ndm_state = NUD_PERMANENT };
	mnl_attr_put_u16(nlh, NDA_NDM_STATE_MASK, NUD_PERMANENT);
	end(nlh);
}

static void vlans(bool removes, char **ports)
{
	for (char **port = ports + 1; removes && *port; port++)
		put_flush(if_nametoindex(*port));
	for (char **port = ports; *port; port++)
		put_range(
			removes ? RTM_DELLINK : RTM_SETLINK, if_nametoindex(*port), port == ports);
	flush();
}

/* --- reading -------------------------------------------------------------------------------------- */

static void dump(uint16_t type, uint8_t family, size_t header)
{
	struct nlmsghdr *nlh = begin(type, NLM_F_DUMP);
	char answer[32768];
	ssize_t size;

	*(uint8_t *)mnl_nlmsg_put_extra_header(nlh, header) = family;
	if (mnl_socket_sendto(self.socket, nlh, nlh->nlmsg_len) < 0)
		die("send: %m");
	do {
		size = mnl_socket_recvfrom(self.socket, answer, sizeof(answer));
		if (size < 0)
			die("receive: %m");
	} while (((const struct nlmsghdr *)answer)->nlmsg_type != NLMSG_DONE);
}

static void run(char **words)
{
	const char *what = words[1];
	unsigned one = words[2] ? (unsigned)atoi(words[2]) : 0;
	unsigned other = words[2] && words[3] ? (unsigned)atoi(words[3]) : 0;

	if (!strcmp(what, "make")) {
		make(words[2], other);
		put_up("f", other);
		if (!strcmp(words[2], "veth"))
			put_up("g", other);
	} else if (!strcmp(what, "remove")) {
		remove_links(words[2], other);
	} else if (!strcmp(what, "addresses")) {
		addresses(RTM_NEWADDR, one, other);
	} else if (!strcmp(what, "addresses-remove")) {
		addresses(RTM_DELADDR, one, other);
	} else if (!strcmp(what, "routes")) {
		routes(RTM_NEWROUTE, one);
	} else if (!strcmp(what, "routes-remove")) {
		routes(RTM_DELROUTE, one);
	} else if (!strcmp(what, "vlans")) {
		vlans(false, words + 2);
	} else if (!strcmp(what, "vlans-remove")) {
		vlans(true, words + 2);
	} else if (!strcmp(what, "dump")) {
		dump(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg));
	} else if (!strcmp(what, "dump-routes")) {
		dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg));
	} else {
		die("what is %s?", what);
	}
}

int main(int argc, char **argv)
{
	int size = RCVBUF_BYTES;
	uint64_t began;

	if (argc < 2)
		die("netlink-floor WHAT [NUMBER...]");
	self.socket = mnl_socket_open(NETLINK_ROUTE);
	if (!self.socket || mnl_socket_bind(self.socket, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink: %m");
	(void)setsockopt(
		mnl_socket_get_fd(self.socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	began = now_ns();
	run(argv);
	printf("%llu\n", (unsigned long long)(now_ns() - began));
	return 0;
}
