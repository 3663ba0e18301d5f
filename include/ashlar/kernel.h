/*
 * Linux kernel networking: the object kinds it holds, kept observed by notifications and changed by
 * batched netlink messages. Interfaces are named as in configuration; an interface that was handed to
 * a container keeps its configured name as key although it lives in another network namespace.
 */
#ifndef ASHLAR_KERNEL_H
#define ASHLAR_KERNEL_H

#include <linux/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/object.h"

#define KERNEL_NAME_MAX	 16  /* with the NUL */
#define KERNEL_ALIAS_MAX 256 /* with the NUL */
/* rtm_protocol of our routes and IFA_PROTO of our addresses. */
#define KERNEL_PROTOCOL 66
/* IFA_PROTO of link-local addresses of IPv4 that nobody configured as such. */
#define KERNEL_PROTOCOL_LINK_LOCAL 67
#define KERNEL_NETNS_MAX	   64 /* name of a network namespace, with the NUL */

/* --- life ------------------------------------------------------------------------------------- */

/*
 * Opens the netlink sockets, joins the groups, dumps everything into have. With @record nothing of the
 * real kernel is touched: what is applied is believed to exist at once (--no-kernel).
 */
int kernel_init(bool record, struct err *err) WARN_UNUSED;
void kernel_done(void);
/* Modifying netlink messages (and sysctl writes) sent since start. */
uint64_t kernel_changes_sent(void);
/* Calls back when a device of some subsystem ("usb") comes, goes or changes; NULL: of any, some events were
 * lost. Without a kernel nothing is listened to. */
int kernel_on_uevent(void (*callback)(const char *subsystem), struct err *err) WARN_UNUSED;
/* Whether the kernel can do it, probed once at start without leaving a trace. */
enum kernel_ability {
	KERNEL_CAN_BRIDGE,
	KERNEL_CAN_VLAN_FILTERING,
	KERNEL_CAN_VLAN, /* 802.1Q links */
	KERNEL_CAN_VETH,
	KERNEL_ABILITIES,
};
bool kernel_can(enum kernel_ability ability);
struct link_kind;
/* Whether it makes links of the kind; probed likewise, each when it first matters. */
bool kernel_can_make(const struct link_kind *kind);

/* --- link ------------------------------------------------------------------------------------- */

/* Attributes of a wanted link; each has one owner among the features. */
enum link_attr {
	LINK_KIND, /* kind and its data; absent: a port that exists by itself, adopted */
	LINK_ALIAS,
	LINK_MTU,
	LINK_MAC,
	LINK_MASTER, /* "" : none */
	LINK_PORT,   /* bridge port flags */
	LINK_DOWN,   /* is kept down; what raises it is a link_up object */
	LINK_NETNS,  /* lives in this named network namespace (see netns) as netns_name */
	LINK_ATTRS,
};

/* What differs from kind to kind: a const table in src/kernel. */
extern const struct link_kind link_kind_bridge, link_kind_vlan, link_kind_veth, link_kind_dummy,
	link_kind_bond, link_kind_vxlan, link_kind_gre, link_kind_gretap, link_kind_ip6gre,
	link_kind_ip6gretap, link_kind_wireguard;
/* IFLA_INFO_KIND: "bridge". */
const char *link_kind_name(const struct link_kind *kind);
/* What is said of a kernel without it. */
const char *link_kind_lacking(const struct link_kind *kind);

/* Identifier of a bridge in the spanning tree: priority and address. */
struct link_stp_id {
	uint8_t bytes[8];
};

/* In seconds: what a querier's interval means for those that listen (RFC 3376 and RFC 3810, section 8 and 9). */
struct multicast_intervals {
	uint16_t query;
	uint16_t membership;	/* a group that nobody has reported for so long has no members */
	uint16_t other_querier; /* another querier that was silent for so long is gone */
	uint16_t
		startup_hundredths; /* of a second, between the first queries: a quarter of the others */
};
#define MULTICAST_QUERY_S 125 /* of those who have not been told */
struct multicast_intervals multicast_intervals(uint16_t query_s);

struct link_bridge {
	bool vlan_filtering;
	uint16_t vlan_protocol; /* ETH_P_8021Q, ETH_P_8021AD */
	uint16_t default_pvid;	/* ports begin with it; 0: none, and wanted is nothing else */
	uint16_t group_fwd_mask;
	bool stp;
	uint16_t stp_priority; /* 0–65535, steps of 4096 */
	uint16_t stp_hello_s, stp_forward_delay_s, stp_max_age_s;
	bool multicast_snooping, multicast_querier;
	bool multicast_query_ifaddr; /* queries bear the bridge's address, not 0.0.0.0 */
	bool multicast_by_vlan; /* snooping and querier are those of each VLAN: see bridge_multicast */
	struct multicast_intervals multicast;
	/* Observed only. */
	struct link_stp_id id, root_id;
	uint16_t root_port; /* number of a port; 0: the bridge is the root */
	bool topology_changes;
};

#define LINK_PRIORITIES 8
struct link_vlan {
	uint16_t id, protocol;
	uint8_t ingress[LINK_PRIORITIES]; /* by priority in the tag: priority inside */
	uint8_t egress[LINK_PRIORITIES];  /* by priority inside: priority in the tag */
	char lower[KERNEL_NAME_MAX];
	bool is_loose; /* observed only: it does not go up and down with the link below */
};

struct link_veth {
	char peer
		[KERNEL_NAME_MAX]; /* both ends are wanted; whichever comes first creates the pair */
};

struct link_bond {
	uint8_t mode, hash; /* BOND_MODE_*, BOND_XMIT_POLICY_* */
	bool lacp_fast, lacp_active;
	uint16_t system_priority;
	uint32_t
		look_ms; /* between two looks at the carrier of a port; the delays are multiples of it */
	uint32_t up_delay_ms, down_delay_ms;
	/* Observed only: the aggregator in use. */
	uint16_t aggregator, actor_key, partner_key;
	uint8_t partner_mac[6];
};

struct link_tunnel {
	uint8_t family; /* of both ends: AF_INET, AF_INET6; observed: 0 when it has none */
	bool inherits_ttl, inherits_tos; /* of the inner packet */
	uint8_t ttl, tos;
	bool discovers_mtu; /* GRE */
	uint16_t port;	    /* VXLAN */
	uint32_t vni;
	struct in6_addr local, remote; /* or a struct in_addr at the beginning */
};

struct link_bond_port { /* observed only */
	bool is_active;
	uint8_t actor_state, partner_state; /* LACP_STATE_* */
	uint16_t aggregator;
	uint32_t failures;
	uint8_t own_mac[6]; /* that it gets back when it leaves */
};

struct link_port { /* of a bridge */
	bool flood_unicast, flood_multicast, flood_broadcast, fast_leave;
	bool learning, isolated, locked;
	uint8_t multicast_router; /* 0 off, 1 auto, 2 permanent */
	uint16_t priority;	  /* in the spanning tree, 0–63 */
	uint32_t cost;		  /* 1–65535; wanted: 0 leaves it to the kernel */
	uint16_t group_forward; /* as group_fwd_mask of the bridge, which cannot have all of them */
	/* Observed only. */
	uint8_t state;	 /* BR_STATE_* */
	uint16_t number; /* given by the bridge, the lowest that is free */
	uint16_t id;	 /* priority and number in one */
	uint16_t designated_port;
	struct link_stp_id designated_bridge;
};

struct link_stats {
	uint64_t rx_packets, rx_bytes, rx_errors, rx_dropped, rx_multicast, rx_nohandler;
	uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped;
};

/* Of a port, what the spanning tree has sent, heard and done. */
struct link_stp_stats {
	uint64_t rx_bpdu, tx_bpdu, rx_tcn, tx_tcn, to_blocking, to_forwarding;
};

/* There are many of these: what few have is allocated apart. */
struct link {
	struct object object; /* key: the interface's name */
	const struct link_kind
		*kind; /* wanted: NULL adopts; observed: NULL for kinds not managed */
	char *alias, *netns, *netns_name; /* owned; NULL: none. See link_alias(), link_put_text() */
	/* Observed with a @netns_name but no @netns: others have called it that. */
	uint32_t set; /* wanted: bits of enum link_attr; observed: all */
	uint32_t mtu;
	uint8_t mac[6];
	struct link_port port;
	char master[KERNEL_NAME_MAX];
	union {
		struct link_bridge bridge;
		struct link_vlan vlan;
		struct link_veth veth;
		struct link_bond bond;
		struct link_tunnel tunnel;
	};
	union {
		/* Wanted: data node of each attribute set; see link_set(). */
		const char *paths[LINK_ATTRS];
		/* Observed. */
		struct {
			struct link_stats *
				stats; /* fresh after object_kind_link.refresh(); NULL: never read */
			struct link_stp_stats *stp_stats; /* likewise; NULL: no spanning tree */
			uint64_t last_change_ms;	  /* monotonic; 0: not since start */
			uint64_t since_ms; /* monotonic, when it came; 0: before the start */
			uint32_t ifindex, lower_ifindex, flags; /* IFF_* */
			uint32_t group;
			/* What we configured is marked in the group of a link that we made, and else in an
			 * alternative name: src/kernel/link.h. */
			uint32_t port_mark, port_mark_index;
			char *mark_name; /* owned; the name that configuration had for it; NULL: none */
			uint32_t speed_mbps; /* 0: unknown */
			uint32_t min_mtu, max_mtu;
			uint16_t arptype;			  /* ARPHRD_* */
			uint8_t operstate;			  /* IF_OPER_* */
			uint8_t duplex;				  /* DUPLEX_*: 0xff unknown */
			uint8_t autoneg;			  /* AUTONEG_*: 0xff unknown */
			struct link_bond_port bond_port;	  /* when the master is a bond */
			bool has_mac, is_dsa, is_ours, is_bonded; /* its master is a bond */
			bool is_usb; /* on a bus where it may be plugged in */
			bool ipv4_forwarding, ipv6_forwarding, ipv6_disabled;
			char kind_name[16];  /* IFLA_INFO_KIND as reported, "" for none */
			uint8_t perm_mac[6]; /* zero when unknown */
			uint8_t first_mac
				[6]; /* before one was configured, if perm_mac is not known; or zero */
		};
	};
};
extern const struct object_kind object_kind_link;

/*
 * Claims @attr of a wanted link for the calling feature, whose data node (relative to the unit, static)
 * is @path; the caller then fills in the fields. -EEXIST when another feature has claimed it: a bug.
 */
int link_set(struct link *link, enum link_attr attr, const char *path, struct err *err) WARN_UNUSED;
/* "" where there is none. */
const char *link_alias(const struct link *link);
const char *link_netns(const struct link *link);
const char *link_netns_name(const struct link *link);
/* Sets one of these: a copy of @text. */
void link_put_text(char **field, const char *text);
/* When a wanted link that is not there went, monotonic; 0: it has not been there since the start. */
uint64_t link_gone_ms(const char *name);

/*
 * The wanted or observed up-ness of a link (IFF_UP): exists when the link is up. Key: the name. Comes
 * after VLAN membership, before addresses.
 */
struct link_up {
	struct object object;
};
extern const struct object_kind object_kind_link_up;

/* --- the rest --------------------------------------------------------------------------------- */

struct address {
	struct object object; /* key by address_key() */
	char link[KERNEL_NAME_MAX];
	uint8_t family, prefix_length; /* AF_INET, AF_INET6 */
	union {
		struct in_addr in;
		struct in6_addr in6;
	};
	/* Observed only. */
	uint32_t flags;	  /* IFA_F_* */
	uint8_t protocol; /* IFAPROT_*; KERNEL_PROTOCOL or …_LINK_LOCAL for ours; 0 unknown */
	uint8_t scope;
	uint32_t valid_s, preferred_s; /* 0xffffffff: for ever */
};
extern const struct object_kind object_kind_address;
#define ADDRESS_KEY_MAX 80
void address_key(
	char *key, const char *link, uint8_t family, const void *addr, uint8_t prefix_length);

/*
 * A link's IPv4 link-local address (RFC 3927), which the kernel folder chooses, probes for and defends as long
 * as this is wanted. The address itself is observed with the others.
 */
enum link_local_state {
	LINK_LOCAL_DOWN, /* waits for a carrier */
	LINK_LOCAL_PROBING,
	LINK_LOCAL_BOUND, /* the link has the address */
};
struct link_local {
	struct object object;	  /* key: the link's name */
	struct in_addr requested; /* is tried first; 0: none */
	/* Observed only. */
	enum link_local_state state;
	struct in_addr addr; /* probed for, or the link's; 0: none yet */
};
extern const struct object_kind object_kind_link_local;

/* The MAC address of an IP address; wanted and observed ones are permanent. */
struct neighbour {
	struct object object; /* key by neighbour_key() */
	char link[KERNEL_NAME_MAX];
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t mac[6];
	union {
		struct in_addr in;
		struct in6_addr in6;
	};
	/* Observed only. */
	uint16_t state;	  /* NUD_* */
	uint8_t protocol; /* KERNEL_PROTOCOL for ours; 0 unknown */
	bool has_mac, is_router;
};
extern const struct object_kind object_kind_neighbour;
#define NEIGHBOUR_KEY_MAX 64
void neighbour_key(char *key, const char *link, uint8_t family, const void *addr);
/*
 * Those that the kernel had learned on a link when object_kind_neighbour.refresh() was called last, in no
 * order, perhaps one more than once: how many, and in *ret_items an array borrowed until then. They are no
 * objects of any state.
 */
size_t neighbour_learned(const char *link, const struct neighbour **ret_items);

enum route_type {
	ROUTE_UNICAST,
	ROUTE_BLACKHOLE,
	ROUTE_UNREACHABLE,
	ROUTE_PROHIBIT,
	ROUTE_RECEIVE, /* taken in by this device, as if it had all those addresses */
	ROUTE_OTHER,   /* observed only: broadcast, multicast … */
};

#define ROUTE_HOPS_MAX	 64  /* of a wanted route */
#define ROUTE_WEIGHT_MAX 256 /* of one of them */

/* Where packets of a route are passed on to. */
struct route_hop {
	uint8_t gateway_family; /* 0: no gateway */
	uint8_t flags;		/* observed only: RTNH_F_* */
	uint16_t weight;	/* its share, from 1; counts among several */
	union {
		struct in_addr in;
		struct in6_addr in6;
	} gateway;
	char link[KERNEL_NAME_MAX]; /* outgoing interface; "": by the gateway */
};

/* There are many of these: what few have is allocated apart. */
struct route {
	struct object object; /* key by route_key() */
	uint8_t family, prefix_length;
	uint8_t tos;
	uint8_t protocol, scope; /* RTPROT_*, RT_SCOPE_*; observed only */
	enum route_type type;
	uint32_t table, metric;
	union {
		struct in_addr in;
		struct in6_addr in6;
	} dst;
	struct route_hop hop;	  /* of ROUTE_UNICAST: the only one, or the first */
	struct route_hop *others; /* owned; NULL: none */
	uint16_t other_count;
	bool is_alone; /* observed only: no IPv4 route of others has its key, as far as was told */
	uint64_t seen_ms; /* observed only: when it was first seen; 0: not known */
};
extern const struct object_kind object_kind_route;
#define ROUTE_KEY_MAX 96
/* The next hop with that index, from 0; NULL at the end. */
struct route_hop *route_hop(const struct route *route, size_t index);
/* A further one, blank; valid until the next. */
struct route_hop *route_add_hop(struct route *route);
/* Kernel's own key: family, table, prefix, metric, tos. */
void route_key(char *key, uint8_t family, uint32_t table, const void *dst, uint8_t prefix_length,
	uint32_t metric, uint8_t tos);

/*
 * The routes of the main table, whoever made them, as the kernel tells them now: not from have, which holds
 * our own only. In the kernel's order: of one destination the preferred one first.
 */
struct route_reader;
struct route_select {
	bool has_dst;	   /* only routes to exactly that prefix */
	bool is_ours_only; /* those in have */
	uint8_t prefix_length;
	struct in6_addr dst; /* or a struct in_addr at the beginning */
};
int route_reader_new(uint8_t family, const struct route_select *select,
	struct route_reader **ret_reader, struct err *err) WARN_UNUSED;
/* 1: a route, borrowed until the next call, and whether it is the one in use for its destination; NULL:
 * none this time, to be asked again. 0: there are no more. */
int route_reader_next(struct route_reader *reader, const struct route **ret_route,
	bool *ret_is_active, struct err *err) WARN_UNUSED;
void route_reader_free(struct route_reader *reader);
DEFINE_CLEANUP(struct route_reader *, route_reader_free)

/* One VLAN of one bridge port (or of the bridge itself, when link is the bridge). */
struct bridge_vlan {
	struct object object; /* key by bridge_vlan_key() */
	char link[KERNEL_NAME_MAX];
	uint16_t vid;
	bool is_untagged, is_pvid;
	uint8_t multicast_router; /* as that of struct link_port, where VLANs are snooped on each */
};
extern const struct object_kind object_kind_bridge_vlan;
#define BRIDGE_VLAN_KEY_MAX 24
void bridge_vlan_key(char *key, const char *link, uint16_t vid);

/* How multicast is dealt with in one VLAN of a bridge that snoops on each by itself. Exists when the VLAN does. */
struct bridge_multicast {
	struct object object; /* key by bridge_vlan_key(), of the bridge */
	char bridge[KERNEL_NAME_MAX];
	uint16_t vid;
	bool snooping, querier;
	struct multicast_intervals intervals;
};
extern const struct object_kind object_kind_bridge_multicast;

/* That a port of a bridge gets a multicast group, in a VLAN or (vid 0) without. */
struct bridge_mdb {
	struct object object; /* key by bridge_mdb_key() */
	char bridge[KERNEL_NAME_MAX], port[KERNEL_NAME_MAX];
	uint16_t vid;
	uint8_t family; /* AF_INET, AF_INET6; AF_PACKET: a MAC address */
	bool is_permanent;
	uint8_t group[16];
	/* Observed only. */
	bool is_ours, has_aged; /* one that was not permanent is not made again for having aged */
	bool was_learned;	/* it stands for one that snooping had found out */
};
extern const struct object_kind object_kind_bridge_mdb;
#define BRIDGE_MDB_KEY_MAX 96
void bridge_mdb_key(char *key, const char *bridge, uint16_t vid, const char *port, uint8_t family,
	const void *group);
/* A group as text, of INET6_ADDRSTRLEN. */
void bridge_mdb_group_text(char *text, uint8_t family, const void *group);
/*
 * What snooping had found out on a bridge when object_kind_bridge_mdb.refresh() was called last: groups of a
 * VLAN (0: without), in order, and the next ports with a multicast router behind them (*at begins with 0; NULL:
 * no more). Borrowed until then; they are no objects of any state.
 */
size_t bridge_mdb_learned(const char *bridge, uint16_t vid, const struct bridge_mdb **ret_items);
const char *bridge_mdb_router(const char *bridge, uint16_t vid, size_t *at);

/*
 * Behind which port of a bridge a MAC address is, in a VLAN or (vid 0) without. Wanted and observed ones are
 * static; all others are read by a bridge_fdb_reader.
 */
struct bridge_fdb {
	struct object object; /* key by bridge_fdb_key() */
	char bridge[KERNEL_NAME_MAX], port[KERNEL_NAME_MAX];
	uint16_t vid;
	uint8_t mac[6];
	/* Observed only. */
	uint16_t state;	 /* NUD_PERMANENT: the bridge's own; NUD_NOARP: static; else learned */
	uint8_t flags;	 /* NTF_* */
	uint32_t idle_s; /* since it was heard of */
};
extern const struct object_kind object_kind_bridge_fdb;
#define BRIDGE_FDB_KEY_MAX 48
void bridge_fdb_key(char *key, const char *bridge, uint16_t vid, const uint8_t mac[6]);

/* The entries of a bridge, of one port (NULL: of all), as the kernel tells them now. */
struct bridge_fdb_reader;
int bridge_fdb_reader_new(const char *bridge, const char *port,
	struct bridge_fdb_reader **ret_reader, struct err *err) WARN_UNUSED;
/* 1: an entry, borrowed until the next call; NULL: none this time, to be asked again. 0: there are no more. */
int bridge_fdb_reader_next(struct bridge_fdb_reader *reader, const struct bridge_fdb **ret_entry,
	struct err *err) WARN_UNUSED;
void bridge_fdb_reader_free(struct bridge_fdb_reader *reader);

/*
 * That the spanning tree of a bridge is off, and that it is the rapid one, which the kernel does not speak: that
 * never exists, one that is wanted waits for ever and is told of. Keys: the bridge.
 */
extern const struct object_kind object_kind_bridge_stp_off, object_kind_bridge_rapid_stp;

/* One per-interface or global knob below /proc/sys/net. Removing a wanted one puts back the default. */
enum sysctl_knob {
	SYSCTL_IPV4_FORWARDING,
	SYSCTL_IPV6_FORWARDING,
	SYSCTL_IPV6_DISABLE,
	SYSCTL_IPV6_AUTOCONF,
	SYSCTL_IPV6_ACCEPT_RA,
	SYSCTL_IPV6_TEMPORARY, /* 0: no temporary addresses, 2: they are preferred */
	SYSCTL_IPV6_TEMPORARY_VALID,
	SYSCTL_IPV6_TEMPORARY_PREFERRED,
	SYSCTL_IPV6_DAD_TRANSMITS,
	SYSCTL_IPV6_MTU,
	SYSCTL_KNOBS,
};
struct sysctl {
	struct object object; /* key by sysctl_key() */
	char link[KERNEL_NAME_MAX];
	enum sysctl_knob knob;
	uint32_t value;
};
extern const struct object_kind object_kind_sysctl;
#define SYSCTL_KEY_MAX 48
void sysctl_key(char *key, const char *link, enum sysctl_knob knob);

/* Keys, UDP port and peers of a WireGuard link. Exists when it has any. */
#define WIREGUARD_KEY 32
struct wireguard_ip {
	uint8_t family, prefix_length; /* AF_INET, AF_INET6 */
	struct in6_addr addr;	       /* or a struct in_addr at the beginning; the rest is zero */
};
struct wireguard_peer {
	uint8_t public_key[WIREGUARD_KEY], preshared_key[WIREGUARD_KEY]; /* zero: none */
	uint8_t endpoint_family;					 /* 0: none */
	uint16_t endpoint_port, keepalive_s;				 /* 0: off */
	struct in6_addr endpoint;
	struct wireguard_ip *ips; /* in no order */
	size_t ip_count;
	/* Observed only. */
	struct {
		int64_t tv_sec, tv_nsec;
	} handshake; /* real time; 0: never */
	uint64_t rx_bytes, tx_bytes;
};
struct wireguard {
	struct object object; /* key: the link's name */
	uint8_t private_key[WIREGUARD_KEY];
	uint16_t port; /* wanted: 0 is any */
	struct wireguard_peer *peers;
	size_t peer_count;
};
extern const struct object_kind object_kind_wireguard;
/* Sets the private key, as the kernel keeps it (RFC 7748 section 5). */
void wireguard_set_key(struct wireguard *wireguard, const uint8_t key[WIREGUARD_KEY]);
/* The peer with that public key; NULL: there is none. */
struct wireguard_peer *wireguard_peer(
	const struct wireguard *wireguard, const uint8_t key[WIREGUARD_KEY]);
/* A blank one, in place of the one with that key. Valid until the next. */
struct wireguard_peer *wireguard_add_peer(
	struct wireguard *wireguard, const uint8_t key[WIREGUARD_KEY]);
/* What is sent to the peer; false: it is sent to another one. */
bool wireguard_add_ip(struct wireguard *wireguard, struct wireguard_peer *peer, uint8_t family,
	const void *addr, uint8_t length);

/* --- ethernet --------------------------------------------------------------------------------- */

#define ETHERNET_MODES 256 /* of which Linux numbers somewhat more than a hundred */
struct ethernet_modes {
	uint32_t words[ETHERNET_MODES / 32];
};

/* A way to put bits on the medium, as IEEE 802.3 calls it, and the link modes of Linux that it is. */
struct ethernet_medium {
	const char *name, *coding; /* PMD and PHY: "100BASE-TX", "100BASE-X" */
	uint32_t speed_mbps;
	int16_t half, full; /* numbers of link modes; < 0: none */
};
/* All that Linux knows; ends with name NULL. */
extern const struct ethernet_medium ethernet_media[];
void ethernet_modes_add(struct ethernet_modes *modes, int mode);
bool ethernet_modes_have(const struct ethernet_modes *modes, int mode);
/* Whether one of the medium's modes is among them. */
bool ethernet_modes_allow(const struct ethernet_modes *modes, const struct ethernet_medium *medium);

/* Groups of settings; each is wanted or not, and observed of drivers that have it. */
enum ethernet_attr {
	ETHERNET_MODE,
	ETHERNET_MDIX,
	ETHERNET_PAUSE,
	ETHERNET_ATTRS,
};

#define ETHERNET_NEGOTIATES_AS_USUAL 0xff /* wanted: if the port can */

/*
 * What a port's physical layer does. It is there with the port; removing a wanted one gives back the settings
 * that were found, or what ports begin with.
 */
struct ethernet {
	struct object object; /* key: the link's name */
	uint32_t set;	      /* bits of enum ethernet_attr */
	uint8_t autoneg;      /* AUTONEG_*, or ETHERNET_NEGOTIATES_AS_USUAL */
	uint8_t duplex;	      /* DUPLEX_*: wanted without negotiation; observed: in use */
	uint32_t speed_mbps;  /* likewise; 0: unknown */
	struct ethernet_modes
		offered; /* in negotiation; wanted: those that the port supports of these */
	uint8_t mdix;	 /* ETH_TP_MDI*: as it was told */
	bool pause_rx, pause_tx;
	bool names_media; /* wanted: the port must have each medium that @offered allows */
	union {
		const char
			*paths[ETHERNET_ATTRS]; /* wanted: data node of each, see ethernet_set() */
		struct {			/* observed */
			struct ethernet_modes supported, peer;
			uint8_t mdix_status; /* ETH_TP_MDI*: as it is */
			bool negotiates_pause;
		};
	};
};
extern const struct object_kind object_kind_ethernet;
/* Says that the group is wanted, because of the data node @path (relative to the unit, static). */
void ethernet_set(struct ethernet *ethernet, enum ethernet_attr attr, const char *path);

/* Counters of a port, as far as its driver has them. IEEE 802.3 clause 30, RFC 2819. */
enum ethernet_counter {
	ETHERNET_RX_FRAMES,
	ETHERNET_RX_OCTETS,
	ETHERNET_RX_MULTICAST,
	ETHERNET_RX_BROADCAST,
	ETHERNET_RX_FCS_ERRORS,
	ETHERNET_RX_ALIGNMENT_ERRORS,
	ETHERNET_RX_TOO_LONG,
	ETHERNET_RX_INTERNAL_ERRORS,
	ETHERNET_TX_FRAMES,
	ETHERNET_TX_OCTETS,
	ETHERNET_TX_MULTICAST,
	ETHERNET_TX_BROADCAST,
	ETHERNET_RMON_UNDERSIZE,
	ETHERNET_RMON_OVERSIZE,
	ETHERNET_RMON_FRAGMENTS,
	ETHERNET_RMON_JABBERS,
	ETHERNET_RX_PAUSE,
	ETHERNET_TX_PAUSE,
	ETHERNET_COUNTERS,
};
/* Observed only, and only after it was refreshed. */
struct ethernet_counters {
	struct object object; /* key: the link's name */
	uint32_t known;	      /* bits of enum ethernet_counter */
	uint64_t values[ETHERNET_COUNTERS];
};
extern const struct object_kind object_kind_ethernet_counters;

/* --- switches --------------------------------------------------------------------------------- */

#define SWITCH_NAME_MAX 96

/* A device that has ports (a switch, an adapter), or a port of it that is a socket. Observed only. */
struct switch_part {
	struct object
		object; /* key: the device, "mdio_bus/fixed-0:1f"; of a port with its index behind */
	bool is_port;
	/* Ports. */
	uint32_t number; /* as the device counts them; UINT32_MAX: not told */
	char device[SWITCH_NAME_MAX];
	char link[KERNEL_NAME_MAX]; /* the interface that it is; "": none of ours */
	/* Devices; "": not told. */
	char driver[SWITCH_NAME_MAX], serial[SWITCH_NAME_MAX], firmware[SWITCH_NAME_MAX];
};
extern const struct object_kind object_kind_switch_part; /* found by their device and their link */

/* --- namespaces ------------------------------------------------------------------------------- */

/* A named network namespace of ours (RUN-DIR/netns/NAME), for the ends given to containers. */
struct netns {
	struct object object; /* key: the name */
};
extern const struct object_kind object_kind_netns;
/* Directory for the bind mounts; called before kernel_init(). */
void netns_set_dir(const char *path);
/* Path of the namespace file, malloc'd. */
char *netns_path(const char *name);

#endif
